# The same token by Ruby's own OpenSSL and Base64, with the line protocol of benches/bench.h.
require "base64"
require "openssl"

KEY = ("\x00" * 32).b

def encrypt(plaintext)
  cipher = OpenSSL::Cipher.new("aes-256-gcm").encrypt
  cipher.key = KEY
  nonce = cipher.random_iv
  sealed = cipher.update(plaintext) + cipher.final
  "v2:" + Base64.urlsafe_encode64(nonce + sealed + cipher.auth_tag)
end

def decrypt(token)
  sealed = Base64.urlsafe_decode64(token[3..])
  cipher = OpenSSL::Cipher.new("aes-256-gcm").decrypt
  cipher.key = KEY
  cipher.iv = sealed[0, 12]
  cipher.auth_tag = sealed[-16..]
  cipher.update(sealed[12...-16]) + cipher.final
end

$stdout.sync = true
$stdin.each_line do |line|
  work, size, _threads, count = line.split
  plaintext = "k" * size.to_i
  token = encrypt(plaintext)
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  case work
  when "encrypt" then count.to_i.times { encrypt(plaintext) }
  when "decrypt" then count.to_i.times { decrypt(token) }
  else
    puts "-"
    next
  end
  puts Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) - began
end
