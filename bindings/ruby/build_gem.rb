# frozen_string_literal: true

# Builds the gem, with the library's source in it.
#
#   ruby build_gem.rb FOLDER

require "fileutils"
require "tmpdir"

folder = File.expand_path(ARGV.fetch(0))
root = File.expand_path("../..", __dir__)
FileUtils.mkdir_p(folder)
Dir.mktmpdir do |staged|
  FileUtils.cp_r(%w[lib ext sig README.md keycask.gemspec].map { |name| "#{__dir__}/#{name}" }, staged)
  FileUtils.cp(Dir["#{root}/LICENSE-*"], staged)
  FileUtils.mkdir_p(["#{staged}/crate/benches", "#{staged}/crate/abi"])
  FileUtils.cp_r(%w[.cargo Cargo.toml Cargo.lock build.rs src include README.md].map { |name| "#{root}/#{name}" }, "#{staged}/crate")
  FileUtils.cp("#{root}/benches/core.rs", "#{staged}/crate/benches")
  FileUtils.cp("#{root}/abi/system-libraries.txt", "#{staged}/crate/abi")
  system("gem", "build", "--quiet", "keycask.gemspec", "--output", "#{folder}/keycask-1.0.0.gem", chdir: staged) || abort("the gem was not built")
end
