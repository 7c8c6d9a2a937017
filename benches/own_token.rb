# frozen_string_literal: true

require "base64"
require "openssl"

# A token by Ruby's own means, the key in hand.
class OwnToken
  def initialize(key)
    @key = key
  end

  def encrypt(text)
    cipher = OpenSSL::Cipher.new("aes-256-gcm").encrypt
    cipher.key = @key
    nonce = cipher.random_iv
    sealed = cipher.update(text) << cipher.final
    "v2:#{Base64.urlsafe_encode64(nonce << sealed << cipher.auth_tag)}"
  end

  def decrypt(token)
    sealed = Base64.urlsafe_decode64(token[3..])
    cipher = OpenSSL::Cipher.new("aes-256-gcm").decrypt
    cipher.key = @key
    cipher.iv = sealed[0, 12]
    cipher.auth_tag = sealed[-16..]
    (cipher.update(sealed[12...-16]) << cipher.final).force_encoding(Encoding::UTF_8)
  end
end
