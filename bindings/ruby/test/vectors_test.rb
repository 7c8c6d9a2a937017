# frozen_string_literal: true

require_relative "helper"

# tests/vectors, through the gem's API.
class VectorsTest < KeycaskTest
  STATUSES = File.readlines("#{VECTORS}/../../abi/status.txt").to_h { |line| [line.split.first, line.split.last.to_i] }

  def bytes(hex)
    [hex].pack("H*")
  end

  def under(key)
    imported = Keycask::Key.import(bytes(key))
    yield imported
  ensure
    imported&.close
  end

  def same(answer, name)
    found = yield
    assert_equal answer["ok_hex"], found.unpack1("H*"), name
  rescue Keycask::Error => e
    assert_equal STATUSES[answer["status"]], e.status, name
  end

  def refused(sentence, status, &block)
    assert_equal STATUSES.fetch(status), assert_raises(Keycask::Error, sentence, &block).status, sentence
    @ran = (@ran || 0) + 1
  end

  def test_the_modules_tokens_pool_keys_and_hashes_are_its_own
    all = vectors("vectors.json")
    all["tokens"].each { |each| under(each["key"]) { |key| assert_equal each["plaintext"], key.decrypt(each["token"], strict: true) } }
    all["pool"].each do |each|
      Keycask.open(":memory:", master_key: bytes(each["master_key"])) do |opened|
        pool = opened.pool_key
        assert_equal each["pool_key"], pool.export.unpack1("H*")
        each["tokens"].each { |token| assert_equal token["plaintext"], pool.decrypt(token["token"]) }
        pool.close
      end
    end
    all["hashes"].each { |each| assert_equal each["hex"], Keycask.hash_api_key(each["api_key"]) }
    differs = vectors("keycask.json")["differences"].select { |each| each["section"] == "is_encrypted" }.to_h { |each| [each["case"], each["keycask"]["encrypted"]] }
    all["is_encrypted"].each { |each| assert_equal differs.fetch(each["value"], each["encrypted"]), Keycask.encrypted?(each["value"]) }
  end

  def test_every_text_is_read_as_the_library_reads_it
    all = vectors("keycask.json")
    all["decode"].each do |each|
      under(each["key"]) do |key|
        same(each["keycask"], each["name"]) { key.decrypt_bytes(each["token"]) }
        same(each["strict"], each["name"]) { key.decrypt_bytes(each["token"], strict: true) }
      end
    end
    all["master_key_env"].each do |each|
      answer = each["keycask"]
      answer = { "status" => "KC_E_MASTER_KEY_INVALID" } if answer["status"] == "KC_E_MASTER_KEY_MISSING"
      same(answer, each["name"]) { Keycask.decode_master_key(each["value"]) }
    end
    assert_operator all["decode"].size, :>, 50
  end

  def test_the_modules_store_opens
    reference = vectors("vectors.json")["reference_db"]
    FileUtils.cp("#{VECTORS}/#{reference['file']}", @path)
    refuses(Keycask::MasterKeyWrongError) { Keycask.open(@path, master_key: bytes(reference["wrong_master_key"])) }
    Keycask.open(@path, master_key: bytes(reference["master_key"])) do |opened|
      reference["users"].each { |user| assert_equal user["plaintext"], opened.decrypt(user["user_id"], user["token"]) }
    end
  end

  def flags(names)
    { "KC_STRICT" => :strict, "KC_EXISTING" => :existing, "KC_CACHED_ONLY" => :cached_only }.values_at(*names).to_h { |name| [name, true] }
  end

  def test_what_differs_in_one_thing_is_refused_for_that
    all = vectors("failures.json")
    good = all["good"]
    master_key = bytes(good["master_key"])
    all["tokens"].each { |each| under(each["key"]) { |key| refused(each["sentence"], each["status"]) { key.decrypt(each["token"], **flags(each["flags"])) } } }
    all["master_keys"].each { |each| refused(each["sentence"], each["status"]) { Keycask.decode_master_key(each["text"]) } }
    whole = File.binread("#{VECTORS}/#{good['store']}")
    all["stores"].each do |each|
      altered = whole.byteslice(0, each["length"]).ljust(each["length"], "\0")
      each["patches"].each { |patch| altered[patch["at"], patch["bytes"].size / 2] = bytes(patch["bytes"]) }
      File.binwrite(@path, altered)
      refused(each["sentence"], each["status"]) do
        Keycask.open(@path, master_key: master_key) do |opened|
          opened.encrypt(good["user"], "sk") if each["call"] == "encrypt"
          opened.decrypt(good["user"], good["token"]) if each["call"] == "decrypt"
        end
      end
    end
    Keycask.open(":memory:", master_key: master_key) do |opened|
      token = opened.encrypt(good["user"], "sk-acme")
      all["calls"].each do |each|
        given = each["given"]
        user = given["user_hex"] ? bytes(given["user_hex"]).force_encoding("UTF-8") : good["user"]
        how = flags(given["flags"] || [])
        keys = given["master_keys_hex"] ? [bytes(given["master_keys_hex"])] : [master_key]
        keys = [] if given["master_keys_hex"] == ""
        keys = keys[0].bytes.each_slice(32).map { |key| key.pack("C*") } if keys[0] && (keys[0].bytesize % 32).zero?
        refused(each["sentence"], each["status"]) do
          case each["call"]
          when "encrypt" then opened.encrypt(user, "sk-acme", **how)
          when "decrypt" then opened.decrypt(user, given["token"] || token, **how)
          when "user_key" then opened.key(user, **how)
          when "key_import" then Keycask::Key.import(bytes(given["raw_hex"]))
          when "open" then Keycask.open(given["location"] || ":memory:", master_key: keys)
          end
        end
      end
    end
    assert_equal 192, @ran
  end
end
