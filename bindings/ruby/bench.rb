# frozen_string_literal: true

# keycask beside Ruby's own OpenSSL and Base64 for the same token, the key in hand: medians of rounds that take turns.
#
#   ruby -Ilib bench.rb

require "keycask"
require_relative "../../benches/own_token"

SECRET = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG" # 51 bytes
ROUNDS = 15
CALLS = 4000

Keycask.open(":memory:", master_key: Keycask.generate_master_key) do |store|
  token = store.encrypt("alice", SECRET)
  key = store.key("alice")
  own = OwnToken.new(key.export)
  raise "they differ" unless own.decrypt(token) == SECRET && store.decrypt("alice", own.encrypt(SECRET)) == SECRET

  puts format("%-24<name>s %10<ours>s %10<own>s   times faster", name: "", ours: "keycask", own: "OpenSSL")
  {
    "encrypt" => [-> { store.encrypt("alice", SECRET) }, -> { own.encrypt(SECRET) }],
    "decrypt" => [-> { store.decrypt("alice", token) }, -> { own.decrypt(token) }],
    "encrypt, a key in hand" => [-> { key.encrypt(SECRET) }, -> { own.encrypt(SECRET) }],
    "decrypt, a key in hand" => [-> { key.decrypt(token) }, -> { own.decrypt(token) }]
  }.each do |name, works|
    times = works.map { [] }
    ROUNDS.times do
      works.zip(times) do |work, found|
        begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        CALLS.times { work.call }
        found << (Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun) / CALLS * 1e9
      end
    end
    ours, theirs = times.map { |found| found.sort[ROUNDS / 2] }
    puts format("%-24<name>s %7<ours>.0f ns %7<own>.0f ns %9<ratio>.1f", name: name, ours: ours, own: theirs, ratio: theirs / ours)
  end
  key.close
end
