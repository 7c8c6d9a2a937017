# frozen_string_literal: true

require "active_record"
require "keycask"

module Keycask
  # Token columns for ActiveRecord. Loaded by itself where ActiveRecord is.
  #
  #   class Account < ApplicationRecord
  #     has_keycask :openai_key, user: :owner_id          # in the column openai_key_token
  #   end
  #
  #   account.openai_key = "sk-…"                         # saved as a token of the owner
  #   account.openai_key                                  # "sk-…"
  #   Account.migrate_keycask(:openai_key)                # a table of plaintext becomes tokens, while others work
  module ActiveRecord
    # How one attribute is kept.
    Declared = Struct.new(:name, :column, :user, :store, :strict, :lookup) do
      def open_store
        store.respond_to?(:call) ? store.call : store
      end

      def user_of(record)
        record.public_send(user).to_s if user
      end

      # The pool's key is used for what belongs to no user.
      def encrypt(owner, secret)
        return open_store.encrypt(owner, secret) if user

        with_pool_key { |key| key.encrypt(secret) }
      end

      def decrypt(owner, token)
        return open_store.decrypt(owner, token) if user

        with_pool_key { |key| key.decrypt(token) }
      end

      # What the column has, as a caller sees it.
      def opened(record, value)
        return value if value.nil?
        return decrypt(user_of(record), value) if Keycask.encrypted?(value)
        return value unless strict

        raise FormatError, "#{record.class.name}##{column} holds plaintext, and tokens alone are read: migrate_keycask(:#{name}) first"
      end

      # The columns of a secret, to be written.
      def columns(owner, secret)
        written = { column => secret.nil? ? nil : encrypt(owner, secret) }
        written[lookup] = (secret.nil? ? nil : Keycask.hash_api_key(secret)) if lookup
        written
      end

      private

      def with_pool_key
        key = open_store.pool_key
        yield key
      ensure
        key&.close
      end
    end

    # How far a table has come: rows that were looked at, those of them whose plaintext became a token, and the primary key of the
    # last, from which it goes on.
    Migrated = Struct.new(:seen, :encrypted, :last)

    # What every model has.
    module Declaring
      # An attribute whose column holds a token.
      #
      # @param name [Symbol]
      # @param user [Symbol, nil] the method that names whose secret it is; nil: nobody's, so that it is under the pool's key
      # @param column [Symbol] where the token lies
      # @param store [Store, Proc] an open store, or what gives it; {Keycask.store} by default
      # @param strict [Boolean] refuse plaintext, once the table was migrated
      # @param lookup [Symbol, nil] a column that holds {Keycask.hash_api_key} of the secret, by which +with_<name>+ finds it
      def has_keycask(name, user:, column: :"#{name}_token", store: -> { Keycask.store }, strict: false, lookup: nil)
        unless method_defined?(:keycask_pending)
          include Record
          before_save :encrypt_keycask
          class_attribute :keycasks, instance_writer: false, default: {}
        end
        declared = Declared.new(name, column.to_s, user, store, strict, lookup&.to_s)
        self.keycasks = keycasks.merge(name => declared)
        keep_out_of_logs([name, declared.column, declared.lookup].compact.map { |each| /\A#{each}\z/ })
        define_method(name) { keycask_pending.fetch(name) { declared.opened(self, self[declared.column]) } }
        define_method(:"#{name}=") { |secret| write_keycask(declared, secret) }
        scope(:"with_#{name}", ->(secret) { where(declared.lookup => Keycask.hash_api_key(secret)) }) if lookup
      end

      # Out of +inspect+, and out of what Rails logs of a request's parameters.
      private def keep_out_of_logs(names)
        self.filter_attributes += names
        return unless defined?(::Rails.application) && ::Rails.application

        filters = ::Rails.application.config.filter_parameters
        filters.concat(names - filters)
      end

      # Turns the plaintext of a column into tokens, a batch at a time, while others work: a value that changes meanwhile is left to
      # who changed it. Ended early it loses nothing: begin anew, or +start+ from the last row that was seen.
      #
      # @yieldparam progress [Migrated] after each batch
      # @return [Migrated]
      def migrate_keycask(name, batch_size: 500, start: nil)
        declared = keycasks.fetch(name)
        progress = Migrated.new(0, 0, start)
        unscoped.in_batches(of: batch_size, start: start, load: true) do |batch|
          batch.each do |record|
            value = record[declared.column]
            next if value.nil? || Keycask.encrypted?(value)

            progress.encrypted += record.send(:migrate_keycask_of, declared)
          end
          progress.seen += batch.size
          progress.last = batch.last.id
          yield progress.dup.freeze if block_given?
        end
        progress.freeze
      end
    end

    # What a model has that declared one.
    module Record
      # Secrets that were assigned and not yet encrypted: whose they are may be assigned behind them.
      def keycask_pending
        @keycask_pending ||= {}
      end

      def reload(*)
        keycask_pending.clear
        super
      end

      private

      def initialize_dup(other)
        super
        @keycask_pending = other.keycask_pending.dup
      end

      def write_keycask(declared, secret)
        keycask_pending[declared.name] = secret
        attribute_will_change!(declared.column)
      end

      # Before each save: what was assigned, and what is plaintext from before tokens.
      def encrypt_keycask
        keycasks.each_value do |declared|
          next unless has_attribute?(declared.column)

          value = self[declared.column]
          if keycask_pending.key?(declared.name)
            assign_attributes(declared.columns(declared.user_of(self), keycask_pending.delete(declared.name)))
          elsif !value.nil? && !Keycask.encrypted?(value)
            assign_attributes(declared.columns(declared.user_of(self), value))
          end
        end
      end

      # Whether this row was changed: 0 or 1. It is locked, and read again, rather than found by its plaintext, which would be logged.
      def migrate_keycask_of(declared)
        with_lock do
          value = self[declared.column]
          next 0 if value.nil? || Keycask.encrypted?(value)

          update_columns(declared.columns(declared.user_of(self), value))
          1
        end
      rescue ::ActiveRecord::RecordNotFound # Removed meanwhile.
        0
      end
    end
  end

  class << self
    # The store of the application, for {ActiveRecord}: set it once, in an initializer.
    attr_accessor :store
  end
end

ActiveRecord::Base.extend(Keycask::ActiveRecord::Declaring)
