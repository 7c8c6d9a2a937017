# frozen_string_literal: true

Gem::Specification.new do |gem|
  gem.name = "keycask"
  gem.version = "1.0.0"
  gem.summary = "Keeps other people's API keys: a key for every user, wrapped by one master key"
  gem.description = "Every user has an AES-256-GCM key of their own, wrapped by one master key in an SQLite file; the program keeps short text tokens."
  gem.authors = ["keycask"]
  gem.licenses = ["MIT", "Apache-2.0"]
  gem.required_ruby_version = ">= 3.0"
  gem.files = Dir["lib/**/*.rb", "ext/**/*.{rb,c}", "sig/**/*.rbs", "README.md", "LICENSE-*", "crate/**/*", "crate/.cargo/*"].select { |path| File.file?(path) }
  gem.extensions = ["ext/keycask/extconf.rb"]
  gem.metadata = { "rubygems_mfa_required" => "true" }
end
