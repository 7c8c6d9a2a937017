# frozen_string_literal: true

require "time"

# Keeps other people's API keys.
#
# A service that acts for its users holds their keys: OpenAI's, Stripe's, anyone's. keycask gives every user an AES-256-GCM key
# of their own, wraps each by one master key, and keeps the wrapped keys in a key store, an SQLite file. What the program stores
# elsewhere, in Redis or in a column, are short text tokens that only the right user's key opens.
#
#   Keycask.open("keys.db") do |store|                       # master key: API_KEY_MASTER_KEY
#     token = store.encrypt("alice", "sk-alice-1234")        # "v2:…", to be kept anywhere
#     secret = store.decrypt("alice", token)
#   end
#
# Everything may be called from any thread and any Ractor at any time, also while another closes the store; stores and keys that
# were opened before a fork work in the child. What a function promises of durability and freshness is said in keycask.h.
#
# @!method self.encrypted?(value)
#   Whether a value is a token, and not plaintext from before tokens.
#   @return [Boolean]
# @!method self.hash_api_key(api_key)
#   The lookup hash of an API key: 64 lower-case hex digits, by which it is found without being kept.
#   @return [String]
# @!method self.generate_master_key
#   Makes a new master key, as the text that API_KEY_MASTER_KEY holds.
#   @return [String]
# @!method self.decode_master_key(text)
#   The 32 bytes of a master key's text.
#   @return [String] BINARY
#   @raise [MasterKeyInvalidError]
# @!method self.handle_count
#   How many stores and keys are open in this process. A test that ends with another count has found a leak.
#   @return [Integer]
# @!method self.library_version
#   @return [String]
module Keycask
end

require_relative "keycask/errors"
require_relative "keycask/records"
require "keycask/keycask" # The extension.
require_relative "keycask/store"
require_relative "keycask/key"

module Keycask
  # Opens the key store at a location, the path of an SQLite file or ":memory:", and makes it where it is missing. With a block it
  # is closed behind it, and the block's value is returned. See {Store.open}.
  def self.open(location, **options, &block)
    Store.open(location, **options, &block)
  end
end

ActiveSupport.on_load(:active_record) { require "keycask/active_record" } if defined?(ActiveSupport) && ActiveSupport.respond_to?(:on_load)
