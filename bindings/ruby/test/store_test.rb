# frozen_string_literal: true

require_relative "helper"

# What a program does every day.
class StoreTest < KeycaskTest
  def test_a_secret_comes_back_and_its_token_tells_nothing
    token = store.encrypt("alice", "sk-alice-1234")
    assert token.start_with?("v2:")
    assert_equal Encoding::UTF_8, token.encoding
    assert_equal "sk-alice-1234", store.decrypt("alice", token)
    assert_equal Encoding::UTF_8, store.decrypt("alice", token).encoding
    assert_equal Encoding::BINARY, store.decrypt_bytes("alice", token).encoding
    assert Keycask.encrypted?(token)
    refute Keycask.encrypted?("sk-alice-1234")
    refute Keycask.encrypted?(nil)
  end

  def test_bytes_of_any_length_and_text_of_any_encoding_come_back
    key = keep(store.key("alice"))
    [0, 1, 22, 23, 24, 51, 512, 513, 1_000_000].each do |size|
      data = Random.bytes(size)
      assert_equal data, store.decrypt_bytes("alice", store.encrypt("alice", data))
      assert_equal data, key.decrypt_bytes(key.encrypt(data))
    end
    ["ключ 🔑", "a\0b"].each { |text| assert_equal text, store.decrypt("ключ\0", store.encrypt("ключ\0", text)) }
    assert_equal "clé", store.decrypt("é", store.encrypt("é".encode("UTF-16LE"), "clé".encode("ISO-8859-1")))
  end

  def test_each_failure_is_an_error_of_its_own
    token = store.encrypt("alice", "sk-alice-1234")
    refuses(Keycask::UnknownUserError) { store.decrypt("mallory", token) }
    refuses(Keycask::UnknownUserError) { store.encrypt("mallory", "sk", existing: true) }
    store.encrypt("bob", "sk")
    refuses(Keycask::AuthenticationError) { store.decrypt("bob", token) }
    refuses(Keycask::FormatError) { store.decrypt("alice", "sk-alice-1234") }
    refuses(Keycask::FormatError) { store.decrypt("alice", token[3..], strict: true) }
    refuses(Keycask::UnsupportedError) { store.decrypt("alice", "v3:AAAA") }
    refuses(Keycask::InvalidArgumentError) { store.encrypt("", "sk") }
    refuses(Keycask::LimitError) { store.encrypt("u" * 4097, "sk") }
    refuses(Keycask::WouldBlockError) { store.encrypt("new", "sk", cached_only: true) }
    refuses(Keycask::MasterKeyWrongError) { Keycask.open(@path, master_key: "\1" * 32) }
    refuses(Keycask::MasterKeyInvalidError) { Keycask.open(@path, master_key: "short") }
    refuses(Keycask::MasterKeyMissingError) { Keycask.open(@path) }
    refuses(Keycask::MasterKeyMissingError) { Keycask.open(@path, master_key: []) }
    refuses(Keycask::LimitError) { Keycask.open(@path, master_key: [MASTER_KEY] * 17) }
    refuses(Keycask::NotFoundError) { Keycask.open("#{@folder}/missing.db", master_key: MASTER_KEY, must_exist: true) }
    Keycask.open(@path, master_key: MASTER_KEY, read_only: true) { |reader| refuses(Keycask::ReadOnlyError) { reader.encrypt("new", "sk") } }
    refuses(Keycask::ExistsError) { store.backup(@path) }
    assert_equal Errno::ENOENT::Errno, refuses(Keycask::IOError) { store.backup("#{@folder}/no such/copy.db") }.os_error
    assert_operator Keycask::MasterKeyWrongError, :<, Keycask::MasterKeyError
    assert_operator Keycask::BusyError, :<, Keycask::StoreError
  end

  def test_statuses_are_those_of_the_library
    listed = File.readlines("#{VECTORS}/../../abi/status.txt").map { |line| line.split.last.to_i }.select(&:negative?)
    assert_equal(listed.sort, listed.sort.select { |status| Keycask::Error.of(status, "", 0, 0).class::STATUS == status })
    assert_instance_of Keycask::Error, Keycask::Error.of(-50, "", 0, 0)
  end

  def test_types_are_ruby_s_own_errors
    [-> { store.encrypt(1, "sk") }, -> { store.encrypt("alice", nil) }, -> { store.decrypt("alice", 5) }, -> { Keycask.hash_api_key(nil) },
     -> { store.encrypt("alice", existing: true) }].each { |wrong| assert_raises(TypeError, &wrong) }
    [-> { store.encrypt("alice") }, -> { store.encrypt("alice", "sk", unknown: 1) }, -> { store.rewrap(step: 0) },
     -> { Keycask.open(":memory:", master_key: MASTER_KEY, busy_timeout: -1) }].each { |wrong| assert_raises(ArgumentError, &wrong) }
    assert_raises(TypeError) { Keycask::Store.new }
  end

  def test_nothing_that_is_printed_or_dumped_holds_a_secret
    secret = "sk-alice-very-secret"
    key = keep(store.key("alice"))
    broken = "#{key.encrypt(secret)[0...-4]}AAA="
    shown = [store, key].flat_map { |held| [held.inspect, held.to_s] }
    [-> { store.decrypt("alice", broken) }, -> { store.decrypt("alice", secret) }, -> { store.encrypt("", secret) },
     -> { Keycask.decode_master_key(secret) }].each { |wrong| shown << assert_raises(Keycask::Error, &wrong).full_message }
    assert(shown.none? { |text| text.include?(secret) || text.include?(broken) })
    [store, key].each { |held| assert_raises(TypeError) { Marshal.dump(held) } }
  end

  def test_what_was_closed_says_so_and_may_be_closed_again
    opened = Keycask.open(@path, master_key: MASTER_KEY)
    key = keep(opened.key("alice"))
    2.times { opened.close }
    assert opened.closed?
    assert_includes opened.inspect, "closed"
    [-> { opened.encrypt("alice", "sk") }, -> { key.encrypt("sk") }, -> { opened.check }, -> { opened.each_user.to_a }].each do |ended|
      refuses(Keycask::HandleError, &ended)
    end
    assert_equal :answer, Keycask.open(@path, master_key: MASTER_KEY) { :answer }
    assert_raises(RuntimeError) { Keycask.open(@path, master_key: MASTER_KEY) { raise "out" } }
  end

  def test_master_keys_are_bytes_or_text_or_several_or_the_environments
    old = Keycask.generate_master_key
    new = Keycask.decode_master_key(Keycask.generate_master_key)
    token = Keycask.open(@path, master_key: old) { |made| made.encrypt("alice", "sk") }
    [old, Keycask.decode_master_key(old), [new, old]].each do |keys|
      Keycask.open(@path, master_key: keys) { |made| assert_equal "sk", made.decrypt("alice", token) }
    end
    ENV["API_KEY_MASTER_KEY"] = old
    Keycask.open(@path) { |made| assert_equal "sk", made.decrypt("alice", token) }
  ensure
    ENV.delete("API_KEY_MASTER_KEY")
  end

  def test_the_pools_key_and_imported_ones_are_keys_like_others
    pool = keep(store.pool_key)
    own = keep(Keycask::Key.import("\1" * 32))
    [pool, own].each { |key| assert_equal "shared", key.decrypt(key.encrypt("shared"), strict: true) }
    assert_equal "\1" * 32, own.export
    refuses(Keycask::InvalidArgumentError) { Keycask::Key.import("short") }
  end

  def test_operations_do_what_they_say
    users = (0...50).map { |number| "user #{number}" }
    tokens = users.to_h { |user| [user, store.encrypt(user, "sk of #{user}")] }
    assert_equal users.sort, store.each_user.map(&:name).sort
    assert(store.each_user.all? { |user| user.error.nil? && user.master_key == 1 && user.created_at.utc? })
    store.rotate_user("user 1")
    assert store.stale?("user 1", tokens["user 1"])
    refute store.stale?("user 2", tokens["user 2"])
    fresh = store.reencrypt("user 1", tokens["user 1"])
    store.forget_versions("user 1")
    assert_equal "sk of user 1", store.decrypt("user 1", fresh)
    refuses(Keycask::AuthenticationError) { store.decrypt("user 1", tokens["user 1"]) }
    store.erase_user("user 2")
    refuses(Keycask::UserDestroyedError) { store.encrypt("user 2", "sk") }
    store.restore_user("user 2")
    assert_equal "anew", store.decrypt("user 2", store.encrypt("user 2", "anew"))
    report = store.check
    assert report.well?
    assert_equal [50, 50, 51, :active, :unregistered], [report.users, report.good, report.keys[0], *report.states[0, 2]]
    store.backup("#{@folder}/copy.db")
    Keycask.open("#{@folder}/copy.db", master_key: ["\1" * 32, MASTER_KEY]) do |copy|
      steps = []
      last = copy.rewrap(step: 20) { |progress| steps << progress.done }
      assert_equal [51, 0, steps.sort], [last.done, last.remaining, steps]
      assert_operator steps.size, :>=, 3
      assert_equal "sk of user 3", copy.decrypt("user 3", tokens["user 3"])
    end
    refuses(Keycask::MasterKeyWrongError) { Keycask.open("#{@folder}/copy.db", master_key: MASTER_KEY) }
    assert_operator store.stats.hits, :>, 0
  end

  def test_a_damaged_row_is_an_error_of_its_user_alone
    %w[alice bob].each { |user| store.encrypt(user, "sk") }
    other = SQLite3::Database.new(@path)
    other.execute("UPDATE encryption_keys SET encrypted_key = x'00' WHERE user_id = 'bob'")
    other.execute("INSERT INTO encryption_keys VALUES (?, x'00', 'no time')", ["u" * 5000])
    other.close
    users = store.each_user.to_h { |user| [user.name, user] }
    assert_nil users["alice"].error
    assert_instance_of Keycask::CorruptError, users["bob"].error
    assert_nil users["u" * 5000].created_at
    refute store.check.well?
  end
end
