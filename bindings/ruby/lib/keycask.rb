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
