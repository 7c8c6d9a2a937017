# frozen_string_literal: true

module Keycask
  # How far a rotation of the master key has come: keys moved; keys not seen yet (at 0 the earlier master keys open nothing in the
  # store); damaged rows, which no given master key opens, and which are left.
  Progress = Struct.new(:done, :remaining, :skipped)

  # What a check of a store has found. findings: what SQLite itself found wrong, and the first of it; of the users, those with a
  # key that opens, that is damaged, or that may be under a master key that was not given; lacking: master keys that the store uses
  # and that were not given; keys and states: what hangs on each given master key, and what the store knows of it.
  Report = Struct.new(:findings, :finding, :users, :good, :damaged, :unopened, :versions, :damaged_others, :erased, :lacking, :keys,
                      :states) do
    # Whether everything opens.
    def well?
      [findings, damaged, unopened, damaged_others, lacking].all?(&:zero?)
    end
  end

  # What a store knows of a master key, by its number.
  MASTER_KEY_STATES = %i[unregistered active retiring retired].freeze

  # One of a walk over all users. error: why their key does not open, or nil; master_key: the given one that wraps it, 1 for the
  # first, 0: none; versions: earlier keys that are kept; created_at: a Time, or nil where the store has none.
  User = Struct.new(:name, :error, :master_key, :versions, :created_at)

  # What an open store has done.
  Stats = Struct.new(:cached_users, :hits, :misses, :store_reads, :commits, :busy_waits, :handles, :locked_bytes, :unlocked_bytes)
end
