# frozen_string_literal: true

# The smallest Ruby program that uses keycask. With a LOCATION it is a peer of tests/interop/peers.py: the master key is in
# API_KEY_MASTER_KEY, and each line on standard input is a call.

require "keycask"

def answer(store, verb, user, text)
  return store.encrypt(user, [text].pack("H*")) if verb == "encrypt"

  store.decrypt_bytes(user, text).unpack1("H*")
rescue Keycask::Error => e
  "! #{e.message}"
end

if ARGV.empty?
  Keycask.open(":memory:", master_key: Keycask.generate_master_key) do |store|
    raise "it came back otherwise" unless store.decrypt("alice", store.encrypt("alice", "sk-alice-1234")) == "sk-alice-1234"
  end
else
  $stdout.sync = true
  Keycask.open(ARGV.fetch(0)) do |store|
    $stdin.each_line { |line| puts answer(store, *line.chomp.force_encoding("UTF-8").split("\t", -1)) }
  end
end
