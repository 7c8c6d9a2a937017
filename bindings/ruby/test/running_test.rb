# frozen_string_literal: true

require_relative "helper"

# Threads, forks, Ractors, the collector.
class RunningTest < KeycaskTest
  def test_threads_share_a_store_which_another_closes
    opened = Keycask.open(@path, master_key: MASTER_KEY)
    wrong = Queue.new
    threads = (0...8).map do |number|
      Thread.new do
        loop do
          user = "user #{number % 3}"
          wrong << user if opened.decrypt(user, opened.encrypt(user, "sk" * number)) != "sk" * number
        end
      rescue Keycask::HandleError
        nil
      rescue StandardError => e
        wrong << e
      end
    end
    5.times { |number| opened.encrypt("another #{number}", "sk") }
    opened.close
    threads.each(&:join)
    assert_empty wrong
  end

  # A thread that waits for the file's lock, with what is done meanwhile; the lock is let go by this thread. What the waiting one made.
  def waiting(patient, user, secret)
    patient.encrypt("alice", "sk")
    other = SQLite3::Database.new(@path)
    other.execute("BEGIN EXCLUSIVE")
    thread = Thread.new { patient.encrypt(user, secret) }
    Thread.pass while patient.stats.busy_waits.zero?
    yield
    other.execute("ROLLBACK")
    other.close
    thread.value
  end

  def patient
    keep(Keycask.open(@path, master_key: MASTER_KEY, busy_timeout: 600))
  end

  # Were Ruby's lock kept by the thread that waits, nobody could let it go.
  def test_a_thread_that_waits_for_the_disk_does_not_stop_the_others
    opened = patient
    worked = 0
    token = waiting(opened, "new", "sk") { 100.times { worked += 1 } }
    assert_equal [100, "sk"], [worked, opened.decrypt("new", token)]
  end

  # What is given may be changed by another thread while a call waits without Ruby's lock.
  def test_a_string_that_changes_while_a_call_waits_is_taken_as_it_was
    opened = patient
    user = +"new user"
    secret = "s" * 100
    token = waiting(opened, user, secret) do
      user.replace("u" * 5000)
      secret.replace("t" * 5000)
      GC.compact if GC.respond_to?(:compact)
    end
    assert_equal "s" * 100, opened.decrypt("new user", token)
  end

  def test_forks_from_busy_threads_work_and_repeat_no_nonce
    token = store.encrypt("alice", "sk-alice")
    busy = true
    made = Queue.new
    threads = 2.times.map { |number| Thread.new { made << store.encrypt("user #{number}", "sk") while busy } }
    tokens = 8.times.flat_map do |number|
      reader, writer = IO.pipe
      child = fork do
        reader.close
        fine = store.decrypt("alice", token) == "sk-alice"
        writer.puts((0...50).map { |each| store.encrypt("child #{number} #{each % 5}", "sk") })
        writer.close
        exit!(fine ? 0 : 1)
      end
      writer.close
      lines = reader.read.split("\n")
      reader.close
      Process.wait(child)
      assert_predicate $?, :success?
      lines.each_with_index { |line, each| assert_equal "sk", store.decrypt("child #{number} #{each % 5}", line) }
      lines
    end
    busy = false
    threads.each(&:join)
    tokens << made.pop until made.empty?
    nonces = tokens.map { |each| each[3, 16] }
    assert_operator tokens.size, :>, 1000
    assert_equal nonces.size, nonces.uniq.size
  end

  def test_a_daemon_uses_what_was_opened_before
    token = store.encrypt("alice", "sk-alice")
    reader, writer = IO.pipe
    child = fork do
      reader.close
      Process.daemon(true, true)
      writer.write(store.decrypt("alice", token), " ", store.encrypt("bob", "sk-bob"))
      writer.close
      exit!(0)
    end
    writer.close
    Process.wait(child)
    secret, made = reader.read.split
    reader.close
    assert_equal %w[sk-alice sk-bob], [secret, store.decrypt("bob", made)]
  end

  def test_a_ractor_uses_the_store_that_it_is_given
    verbose, $VERBOSE = $VERBOSE, nil # That Ractors are experimental is said by Ruby, once.
    token = store.encrypt("alice", "sk")
    assert Ractor.shareable?(store)
    ractors = 3.times.map do
      Ractor.new(store, token) do |shared, given|
        [shared.decrypt("alice", given), shared.encrypt("alice", "sk"), begin
          shared.decrypt("nobody", given)
        rescue Keycask::UnknownUserError
          :refused
        end]
      end
    end
    ractors.map(&:take).each { |secret, made, refusal| assert_equal ["sk", "sk", :refused], [secret, store.decrypt("alice", made), refusal] }
  ensure
    $VERBOSE = verbose
  end

  def test_the_collector_may_come_at_any_time
    GC.stress = true
    5.times do
      opened = Keycask.open(@path, master_key: [MASTER_KEY])
      key = opened.key("alice")
      raise "another secret" unless key.decrypt(opened.encrypt("alice", "sk"), strict: true) == "sk"
      raise "another user" unless opened.each_user.map(&:name) == ["alice"]

      opened.check
      opened.stats
      opened.rewrap
      begin
        opened.decrypt("nobody", "v2:AAAA")
      rescue Keycask::FormatError
        nil
      end
      key.close
      opened.close
    end
  ensure
    GC.stress = false
  end

  def test_what_is_forgotten_is_freed
    200.times { Keycask.open(":memory:", master_key: MASTER_KEY).key("alice") }
    GC.start
    assert_operator Keycask.handle_count, :<, 100
    100.times { GC.start if Keycask.handle_count != @handles }
  end

  def test_an_interrupted_thread_leaves_no_handle
    20.times do
      thread = Thread.new { loop { Keycask.open(":memory:", master_key: MASTER_KEY).close } }
      10.times { Thread.pass }
      thread.kill
      thread.join
    end
    GC.start
  end

  def test_a_million_calls_take_no_more_memory
    token = store.encrypt("alice", "sk-alice-1234")
    resident = (0...12).map do
      50_000.times do
        store.decrypt("alice", token)
        store.encrypt("alice", "sk-alice-1234")
      end
      100.times { store.key("alice").close }
      GC.start
      File.read("/proc/self/status")[/VmRSS:\s+(\d+)/, 1].to_i
    end
    assert_operator resident.last - resident[4], :<, 4096 # KiB; before that Ruby's own heap finds its size.
  end
end
