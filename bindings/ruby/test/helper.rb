# frozen_string_literal: true

require "json"
require "keycask"
require "minitest/autorun"
require "sqlite3"
require "tmpdir"

MASTER_KEY = (0...32).to_a.pack("C*").freeze
VECTORS = File.expand_path("../../../tests/vectors", __dir__)
ENV.delete_if { |name, _| name.start_with?("API_KEY_MASTER_KEY") }

# A test that ends with another count of handles than it began with has found a leak.
class KeycaskTest < Minitest::Test
  def setup
    GC.start
    @handles = Keycask.handle_count
    @folder = Dir.mktmpdir
    @path = "#{@folder}/keys.db"
  end

  def teardown
    FileUtils.rm_rf(@folder)
    @store&.close
    (@opened || []).each(&:close)
    # The collector may have found an object on the stack: one more run with another one.
    5.times { GC.start if Keycask.handle_count != @handles }
    assert_equal @handles, Keycask.handle_count
  end

  def store
    @store ||= Keycask.open(@path, master_key: MASTER_KEY)
  end

  # So that it is closed behind the test.
  def keep(handle)
    (@opened ||= []) << handle
    handle
  end

  def vectors(name)
    JSON.parse(File.read("#{VECTORS}/#{name}", encoding: "UTF-8"))
  end

  def refuses(kind, &block)
    error = assert_raises(kind, &block)
    assert_equal kind, error.class
    assert_equal kind::STATUS, error.status
    error
  end
end
