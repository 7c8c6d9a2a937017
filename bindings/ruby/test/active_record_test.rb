# frozen_string_literal: true

require_relative "helper"
require "active_support"
require "active_support/parameter_filter"
require "keycask/active_record"
require "logger"

ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: ":memory:")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table :accounts do |table|
    table.string :owner_id
    table.text :openai_key_token
    table.string :openai_key_hash
    table.text :webhook
  end
end

# As much of Rails as is asked for the parameters that it does not log.
module Rails
  CONFIG = Struct.new(:filter_parameters).new([:password])
  APPLICATION = Struct.new(:config).new(CONFIG)

  def self.application
    APPLICATION
  end
end

class Account < ActiveRecord::Base
  has_keycask :openai_key, user: :owner_id, lookup: :openai_key_hash
  has_keycask :webhook_key, user: nil, column: :webhook
end

class StrictAccount < ActiveRecord::Base
  self.table_name = "accounts"
  has_keycask :openai_key, user: :owner_id, strict: true
end

# has_keycask, with real ActiveRecord over SQLite.
class ActiveRecordTest < KeycaskTest
  def setup
    super
    Keycask.store = store
    Account.delete_all
  end

  def raw(column = "openai_key_token")
    Account.connection.select_values("SELECT #{column} FROM accounts ORDER BY id")
  end

  def plaintext(count)
    count.times { |number| Account.connection.execute("INSERT INTO accounts (owner_id, openai_key_token) VALUES ('user #{number % 5}', 'sk #{number}')") }
  end

  def test_an_attribute_is_saved_as_a_token_whoever_is_assigned_first
    account = Account.create!(openai_key: "sk-openai", owner_id: "alice", webhook_key: "hook")
    assert_equal "sk-openai", account.openai_key
    assert_equal %w[sk-openai hook], [Account.find(account.id).openai_key, Account.find(account.id).webhook_key]
    assert_equal "sk-openai", store.decrypt("alice", raw[0])
    assert Keycask.encrypted?(raw("webhook")[0])
    account.update!(openai_key: "sk-other")
    assert_equal "sk-other", account.reload.openai_key
    account.openai_key = "never saved"
    assert account.changed?
    assert_equal "sk-other", account.reload.openai_key
    account.update!(openai_key: nil)
    assert_equal [nil, [nil]], [account.reload.openai_key, raw]
    copy = Account.new(owner_id: "bob", openai_key: "sk-bob").dup
    copy.save!
    assert_equal "sk-bob", Account.find(copy.id).openai_key
  end

  def test_plaintext_is_read_and_upgraded_on_save_until_it_is_refused
    plaintext(2)
    account = Account.first
    assert_equal "sk 0", account.openai_key
    error = refuses(Keycask::FormatError) { StrictAccount.first.openai_key }
    refute_includes error.message, "sk 0"
    account.save!
    assert_equal [true, false], raw.map { |value| Keycask.encrypted?(value) }
    assert_equal ["sk 0", "sk 0"], [Account.first.openai_key, StrictAccount.first.openai_key]
  end

  def test_it_is_found_by_its_lookup_hash
    account = Account.create!(owner_id: "alice", openai_key: "sk-openai")
    assert_equal [account], Account.with_openai_key("sk-openai").to_a
    assert_empty Account.with_openai_key("sk-other")
  end

  def test_a_table_is_migrated_in_batches_which_may_be_resumed
    plaintext(100)
    last = nil
    Account.migrate_keycask(:openai_key, batch_size: 30) do |progress|
      last = progress.last
      assert_equal [30, 30], [progress.seen, progress.encrypted]
      break
    end
    rest = Account.migrate_keycask(:openai_key, batch_size: 30, start: last)
    assert_equal [71, 70], [rest.seen, rest.encrypted]
    assert_equal [100, 0], Account.migrate_keycask(:openai_key).to_a[0, 2]
    assert(raw.all? { |value| Keycask.encrypted?(value) })
    StrictAccount.order(:id).each_with_index { |account, number| assert_equal "sk #{number}", account.openai_key }
    assert_equal 1, Account.with_openai_key("sk 7").count
  end

  def test_a_value_that_changes_under_way_is_left_to_who_changed_it
    plaintext(1)
    account = Account.first
    others = store.encrypt("user 0", "somebody's")
    Account.connection.execute("UPDATE accounts SET openai_key_token = '#{others}'")
    assert_equal 0, account.send(:migrate_keycask_of, Account.keycasks[:openai_key])
    assert_equal [others], raw
    Account.delete_all
    assert_equal 0, account.send(:migrate_keycask_of, Account.keycasks[:openai_key])
  end

  def test_neither_logs_nor_inspect_show_it
    log = StringIO.new
    ActiveRecord::Base.logger = Logger.new(log)
    account = Account.create!(owner_id: "alice", openai_key: "sk-very-secret")
    Account.with_openai_key("sk-very-secret").to_a
    Account.connection.raw_connection.execute("INSERT INTO accounts (owner_id, openai_key_token) VALUES ('bob', 'sk-very-secret')")
    assert_equal 1, Account.migrate_keycask(:openai_key).encrypted
    shown = log.string + account.inspect + account.attributes.to_s
    refute_includes shown, "sk-very-secret"
    refute_includes account.inspect, raw[0]
    filter = ActiveSupport::ParameterFilter.new(Rails.application.config.filter_parameters)
    shown = filter.filter("account" => { "openai_key" => "sk-very-secret", "webhook_key" => "sk", "owner_id" => "alice", "password" => "p" })
    assert_equal({ "openai_key" => "[FILTERED]", "webhook_key" => "[FILTERED]", "owner_id" => "alice", "password" => "[FILTERED]" }, shown["account"])
  ensure
    ActiveRecord::Base.logger = nil
  end
end
