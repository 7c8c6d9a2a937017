# frozen_string_literal: true

require_relative "helper"
require "rbconfig"
require "socket"

# A real Puma cluster at one store, under a load of requests, restarted in the middle.
class PumaTest < KeycaskTest
  def test_a_preloaded_cluster_lives_through_a_hot_restart
    served("USR2", preload: true)
  end

  def test_a_cluster_without_preload_lives_through_a_phased_restart
    served("USR1", preload: false)
  end

  private

  def served(signal, preload:)
    place = "#{@folder}/socket"
    master_key = Keycask.generate_master_key
    booted_reader, booted = IO.pipe
    ENV["API_KEY_MASTER_KEY"] = master_key
    File.write("#{@folder}/puma.rb", <<~CONFIG)
      workers 2
      threads 2, 4
      bind "unix://#{place}"
      #{'preload_app!' if preload}
      prune_bundler false
      # Else Puma itself closes a connection that it accepted and whose request it has not read when a worker ends.
      queue_requests false
      drain_on_shutdown
      quiet
      rackup #{File.expand_path('app.ru', __dir__).inspect}
      environment "production"
      on_worker_boot { IO.for_fd(#{booted.fileno}, "w", autoclose: false).syswrite("b") }
    CONFIG
    environment = { "STORE" => @path, "RUBYLIB" => $LOAD_PATH.join(":"), "RUBYOPT" => nil }
    command = [RbConfig.ruby, "-W0", Gem.bin_path("puma", "puma"), "-C", "#{@folder}/puma.rb", "--redirect-stdout", "#{@folder}/out", "--redirect-append"]
    puma = spawn(environment, *command, booted.fileno => booted.fileno, chdir: @folder, close_others: false, err: "#{@folder}/err")
    booted.close
    booted_reader.read(2) # Both workers.
    answers = Queue.new
    stop = false
    clients = 6.times.map { |number| Thread.new { requests(place, number, answers) { stop } } }
    Thread.pass while answers.size < 200
    Process.kill(signal, puma)
    booted_reader.read(2) # And both anew.
    after = answers.size
    Thread.pass while answers.size < after + 200
    stop = true
    clients.each(&:join)
    Process.kill("TERM", puma)
    Process.wait(puma)
    found = Array.new(answers.size) { answers.pop }
    assert_empty(found.select { |answer| answer[:error] }.first(3), File.read("#{@folder}/err"))
    assert_operator found.map { |answer| answer[:worker] }.uniq.size, :>, 2
    Keycask.open(@path, master_key: master_key) do |opened|
      found.each { |answer| assert_equal answer[:secret], opened.decrypt(answer[:user], answer[:token]) }
    end
  ensure
    ENV.delete("API_KEY_MASTER_KEY")
    booted_reader.close
  end

  def requests(place, number, answers)
    (0..).each do |request|
      break if yield

      user = "user-#{request % 20}"
      secret = "sk-#{number}-#{request}"
      answer = UNIXSocket.open(place) do |socket|
        socket.write("GET /#{user}?#{secret} HTTP/1.0\r\n\r\n")
        socket.read
      end
      head, body = answer.split("\r\n\r\n", 2)
      worker = head.to_s[/^worker: (\d+)/i, 1]
      answers << { user: user, secret: secret, token: body, worker: worker, error: (answer unless head.to_s.include?(" 200 ")) }
    rescue SystemCallError => e
      answers << { error: e.inspect }
    end
  end
end
