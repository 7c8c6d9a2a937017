# A token through the Ruby binding, and the same token by Ruby's own OpenSSL and Base64, with the line protocol of benches/bench.h.
#
#   ruby ruby.rb keycask STORE | own
require "base64"
require "openssl"

# The token by Ruby's own means, the key in hand.
class Own
  KEY = ("\x00" * 32).b

  def encrypt(text)
    cipher = OpenSSL::Cipher.new("aes-256-gcm").encrypt
    cipher.key = KEY
    nonce = cipher.random_iv
    sealed = cipher.update(text) << cipher.final
    "v2:#{Base64.urlsafe_encode64(nonce << sealed << cipher.auth_tag)}"
  end

  def decrypt(token)
    sealed = Base64.urlsafe_decode64(token[3..])
    cipher = OpenSSL::Cipher.new("aes-256-gcm").decrypt
    cipher.key = KEY
    cipher.iv = sealed[0, 12]
    cipher.auth_tag = sealed[-16..]
    (cipher.update(sealed[12...-16]) << cipher.final).force_encoding(Encoding::UTF_8)
  end
end

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

way = ARGV[0] == "own" ? Own.new : Ours.new(ARGV[1])
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
