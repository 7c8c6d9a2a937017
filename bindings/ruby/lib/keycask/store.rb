# frozen_string_literal: true

module Keycask
  # An open key store. Frozen, and so shared by threads and Ractors as it is.
  #
  # @!method encrypt(user, secret, existing: false, cached_only: false)
  #   Encrypts a user's secret to a token. A user without a key gets one, durable when this returns.
  #   @param user [String] 1 to 4,096 bytes of UTF-8
  #   @param secret [String] up to 64 MiB; UTF-8, or a binary string's bytes
  #   @param existing [Boolean] {UnknownUserError} rather than make a key
  #   @param cached_only [Boolean] {WouldBlockError} rather than touch the store
  #   @return [String] the token, UTF-8
  # @!method decrypt(user, token, strict: false, cached_only: false)
  #   Decrypts a user's token. It never makes a key.
  #   @param strict [Boolean] take the canonical form alone
  #   @return [String] the secret, UTF-8
  #   @raise [FormatError, AuthenticationError, UnknownUserError, UserDestroyedError]
  # @!method decrypt_bytes(user, token, strict: false, cached_only: false)
  #   {#decrypt} of what is no text.
  #   @return [String] the secret, BINARY
  # @!method stale?(user, token, cached_only: false)
  #   Whether a token was made under an earlier key of the user, so that {#reencrypt} is due.
  #   @return [Boolean]
  # @!method reencrypt(user, token, strict: false)
  #   Makes of a user's token one under their current key.
  #   @return [String]
  # @!method key(user, existing: false, cached_only: false)
  #   A user's key, for many values of theirs. It follows the user's current key, and ends with the store.
  #   @return [Key]
  # @!method pool_key
  #   The key for values that belong to no single user.
  #   @return [Key]
  # @!method erase_user(user)
  #   Destroys a user's keys, and with them every secret of theirs, wherever its token lies.
  #   @return [nil]
  # @!method restore_user(user)
  #   Lets an erased user begin anew, with another key.
  #   @return [nil]
  # @!method rotate_user(user)
  #   Gives a user another key. The one that they have is kept for reading.
  #   @return [nil]
  # @!method forget_versions(user)
  #   Destroys a user's earlier keys: what was made under them opens no more.
  #   @return [nil]
  # @!method close
  #   Ends the store, and the keys that came from it. Calls in flight finish. A second time it does nothing.
  #   @return [nil]
  # @!method closed?
  #   @return [Boolean]
  class Store
    # KC_NONE: none, where zero would mean the default.
    NONE = 2**32 - 1
    private_constant :NONE

    # Opens a store.
    #
    # @param location [String, Pathname]
    # @param master_key [String, Array<String>, nil] the 32 bytes or the text of the current one, or several, the current one first;
    #   nil: those of API_KEY_MASTER_KEY and API_KEY_MASTER_KEY_PREVIOUS, or of the files that their _FILE variables name
    # @param read_only [Boolean] never write, not even to roll back what a crashed program left
    # @param must_exist [Boolean] {NotFoundError} rather than make a store
    # @param snapshots [Boolean] this process will be snapshotted, and resumed more than once
    # @param unlocked [Boolean] from now on this process locks no memory for keys (mlock)
    # @param busy_timeout [Numeric] seconds that a call waits for other programs' locks; 0: not at all
    # @param cache_users [Integer] how many users' keys are kept unwrapped; 0: none
    # @raise [MasterKeyWrongError] before anything is written
    def self.open(location, master_key: nil, read_only: false, must_exist: false, snapshots: false, unlocked: false,
                  busy_timeout: 5, cache_users: 65_536)
      raise ::ArgumentError, "busy_timeout is #{busy_timeout}: give seconds, 0 for not waiting" unless busy_timeout >= 0

      keys = master_key.nil? ? nil : [*master_key].map { |key| key.bytesize == KEY_SIZE ? key : Keycask.decode_master_key(key) }
      flags = [read_only, must_exist, snapshots, unlocked].each_with_index.sum { |flag, at| flag ? 1 << at : 0 }
      busy = busy_timeout.zero? ? NONE : (busy_timeout * 1000).ceil.clamp(1, NONE - 1)
      store = open_store(location.to_s, keys, flags, busy, cache_users.zero? ? NONE : cache_users)
      return store unless block_given?

      begin
        yield store
      ensure
        store.close
      end
    end

    # Moves every key to the current master key, the first that the store was opened with, while others work. When it has ended
    # without an error, the earlier master keys that were given open nothing any more. Ended early it loses nothing.
    #
    # @yieldparam progress [Progress] after each step
    # @return [Progress]
    def rewrap(step: 10_000)
      raise ::ArgumentError, "step is #{step}: give how many keys are moved at once, at least 1" unless step.positive?

      moved = 0
      loop do
        done, remaining, skipped = rewrap_step(step)
        progress = Progress.new(moved += done, remaining, skipped).freeze
        yield progress if block_given?
        return progress if remaining.zero?
      end
    end

    # Walks over all users with a row, in no order that means anything.
    #
    # @yieldparam user [User]
    # @return [Enumerator<User>, Store] self with a block
    def each_user
      return enum_for(:each_user) unless block_given?

      place = self.class.send(:new_walk)
      while (name, status, master_key, versions, created_at = next_user(place))
        error = Error.of(status, "the key of this user does not open (status #{status}): look at check", 0, 0) unless status.zero?
        yield User.new(name, error, master_key, versions, time_of(created_at)).freeze
      end
      self
    end

    # Looks at every row, and has SQLite check its file. It writes nothing, and lets others work.
    #
    # @return [Report]
    def check
      *fields, states = check_report
      Report.new(*fields, states.map { |state| MASTER_KEY_STATES.fetch(state, state) }).freeze
    end

    # What this store has done since it was opened.
    #
    # @return [Stats]
    def stats
      Stats.new(*statistics).freeze
    end

    # Copies the store, while it is in use, to a file that is not there yet.
    def backup(location)
      copy_to(location.to_s)
    end

    def inspect
      "#<Keycask::Store #{closed? ? 'closed' : 'open'}>"
    end
    alias to_s inspect

    private

    def time_of(text)
      Time.iso8601(text).utc
    rescue ::ArgumentError
      nil
    end
  end
end
