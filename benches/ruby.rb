# A token through the Ruby binding, and the same token by Ruby's own OpenSSL and Base64, with the line protocol of benches/bench.h.
#
#   ruby ruby.rb keycask STORE | own
require_relative "own_token"

# The binding.
class Ours
  USER = "user-0@example.com"

  def initialize(path)
    require "keycask"
    @store = Keycask.open(path, master_key: "\x01".b + ("\x00" * 31).b)
  end

  def encrypt(text) = @store.encrypt(USER, text)
  def decrypt(token) = @store.decrypt(USER, token)
end

way = ARGV[0] == "own" ? OwnToken.new("\x00".b * 32) : Ours.new(ARGV[1])
$stdout.sync = true
$stdin.each_line do |line|
  work, size, _threads, count = line.split
  text = "k" * size.to_i
  token = way.encrypt(text)
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  case work
  when "encrypt" then count.to_i.times { way.encrypt(text) }
  when "decrypt" then count.to_i.times { way.decrypt(token) }
  else
    puts "-"
    next
  end
  puts Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) - began
end
