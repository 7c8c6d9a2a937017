# frozen_string_literal: true

module Keycask
  # A key in hand: a user's, the pool's, or one of the caller's own. One that came from a store ends when the store is closed.
  #
  # Besides what is here, the extension gives it +Key.import(raw)+, of 32 bytes, +encrypt(secret)+, +decrypt(token, strict: false)+,
  # +decrypt_bytes+, +export+ (its 32 bytes: whoever has them opens every token made under it), +close+ and +closed?+.
  class Key
    def inspect
      "#<Keycask::Key #{closed? ? 'closed' : '[redacted]'}>"
    end
    alias to_s inspect
  end
end
