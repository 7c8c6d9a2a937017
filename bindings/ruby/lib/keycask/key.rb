# frozen_string_literal: true

module Keycask
  # A key in hand: a user's, the pool's, or one of the caller's own. One that came from a store ends when the store is closed.
  #
  # @!method self.import(raw)
  #   A key of 32 bytes of the caller's own, which are copied.
  #   @return [Key]
  # @!method encrypt(secret)
  #   @return [String] the token, UTF-8
  # @!method decrypt(token, strict: false)
  #   @return [String] the secret, UTF-8
  # @!method decrypt_bytes(token, strict: false)
  #   @return [String] the secret, BINARY
  # @!method export
  #   The key's 32 bytes. Whoever has them opens every token made under it.
  #   @return [String] BINARY
  # @!method close
  #   Ends the key. A second time it does nothing.
  #   @return [nil]
  # @!method closed?
  #   @return [Boolean]
  class Key
    def inspect
      "#<Keycask::Key #{closed? ? 'closed' : '[redacted]'}>"
    end
    alias to_s inspect
  end
end
