# frozen_string_literal: true

# A service under Puma. Preloaded, its store is opened before the workers are forked.
require "keycask"

store = Keycask.open(ENV.fetch("STORE"))
store.encrypt("before the fork", "sk")

run(lambda do |environment|
  user = environment["PATH_INFO"].delete_prefix("/")
  secret = environment["QUERY_STRING"]
  token = store.encrypt(user, secret)
  raise "another secret" unless store.decrypt(user, token) == secret

  [200, { "Content-Type" => "text/plain", "Worker" => Process.pid.to_s }, [token]]
end)
