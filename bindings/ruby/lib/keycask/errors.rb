# frozen_string_literal: true

module Keycask
  # Why a call failed. Its message says what was found, what was expected and what to do, and holds no secret.
  class Error < StandardError
    # @return [Integer] the library's status: -6 is its KC_E_UNKNOWN_USER
    attr_reader :status
    # @return [Integer] the system's error number (errno), or 0
    attr_reader :os_error
    # @return [Integer] SQLite's extended result code, or 0
    attr_reader :engine_error

    def initialize(message = nil, status: self.class::STATUS, os_error: 0, engine_error: 0)
      super(message)
      @status = status
      @os_error = os_error
      @engine_error = engine_error
    end

    # What a status is that this release does not know.
    STATUS = 0

    # The error of a status.
    # @private
    def self.of(status, message, os_error, engine_error)
      (KINDS[status] || Error).new(message, status: status, os_error: os_error, engine_error: engine_error)
    end
  end

  # The master key is missing, malformed, or not this store's.
  class MasterKeyError < Error; end
  # The store's file cannot be used as it was to be.
  class StoreError < Error; end

  # Each kind of failure, its status, and the family that it belongs to.
  {
    InvalidArgumentError: [-1, Error], # An argument is empty, malformed or out of place.
    HandleError: [-2, Error], # The store or key has been closed.
    BufferError: [-3, Error],
    FormatError: [-4, Error], # What was given is no token.
    AuthenticationError: [-5, Error], # The token was made under another key, or altered.
    UnknownUserError: [-6, Error], # The store has no key for this user.
    UserDestroyedError: [-7, Error], # The user was erased on purpose.
    MasterKeyMissingError: [-8, MasterKeyError], # None was given, and the environment has none.
    MasterKeyInvalidError: [-9, MasterKeyError], # It is not base64 of 32 bytes.
    MasterKeyWrongError: [-10, MasterKeyError], # It does not open this store, or creates nothing in it any more.
    CorruptError: [-11, StoreError], # A stored key is damaged, or the file is no SQLite database.
    BusyError: [-12, StoreError], # Other programs held the store's lock for longer than busy_timeout.
    IOError: [-13, StoreError], # The system refused to read or write; os_error says why.
    ReadOnlyError: [-14, StoreError], # A write to what was opened, or is, read-only.
    NotFoundError: [-15, StoreError], # There is no such store.
    ExistsError: [-16, StoreError], # The file is there already, and nothing is overwritten.
    LimitError: [-17, Error], # Something is longer than a stated limit.
    RandomError: [-18, Error], # The system's random source failed.
    OutOfMemoryError: [-19, Error],
    WouldBlockError: [-20, Error], # With cached_only: the call would have to touch the store.
    UnsupportedError: [-21, Error], # A later token or store, or a database of something else.
    InternalError: [-99, Error] # A defect of keycask's own: please report it.
  }.each do |name, (status, family)|
    kind = const_set(name, Class.new(family))
    kind.const_set(:STATUS, status)
  end

  class Error
    # @private
    KINDS = Keycask.constants.map { |name| Keycask.const_get(name) }
                   .select { |kind| kind.is_a?(Class) && kind < Error && kind::STATUS != 0 }.to_h { |kind| [kind::STATUS, kind] }.freeze
    private_constant :KINDS
  end
end
