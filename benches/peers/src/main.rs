//! The same token by the bare primitives, by aws-lc-rs and by ring: `peers bare|aws-lc-rs|ring`, with the line protocol of
//! benches/bench.h.

use std::io::{BufRead, Write};
use std::sync::Barrier;
use std::time::Instant;

mod aws_lc;
mod bare;
mod with_ring;

const MOST_SIZE: usize = 1 << 20;

/// One way to make and to open a token, its key schedule done.
pub trait Peer: Send {
    /// Writes the token of `plaintext` to `token` and says how long it is.
    fn encrypt(&mut self, plaintext: &[u8], token: &mut [u8]) -> usize;
    /// Writes what `token` holds to `plaintext` and says how long it is; nothing for one that was altered.
    fn decrypt(&mut self, token: &[u8], plaintext: &mut [u8]) -> Option<usize>;
}

/// What a thread works with.
struct Hand {
    peer: Box<dyn Peer>,
    plaintext: Vec<u8>,
    opened: Vec<u8>,
    token: Vec<u8>,
    token_len: usize,
}

impl Hand {
    fn new(peer: Box<dyn Peer>) -> Hand {
        let room = MOST_SIZE / 3 * 4 + 128;
        Hand { peer, plaintext: vec![b'k'; MOST_SIZE], opened: vec![0; room], token: vec![0; room], token_len: 0 }
    }

    fn encrypt(&mut self, size: usize) {
        self.token_len = self.peer.encrypt(&self.plaintext[..size], &mut self.token);
    }

    fn decrypt(&mut self) -> bool {
        self.peer.decrypt(&self.token[..self.token_len], &mut self.opened).is_some()
    }

    /// The nanoseconds that `count` times `work` take. `None`: no such work.
    fn time(&mut self, work: &str, size: usize, count: u64, ready: &Barrier) -> Option<(Instant, Instant)> {
        self.encrypt(size);
        if work == "refuse" {
            self.token[20] = if self.token[20] == b'A' { b'B' } else { b'A' };
        }
        ready.wait();
        let began = Instant::now();
        match work {
            "encrypt" => (0..count).for_each(|_| self.encrypt(size)),
            "decrypt" => (0..count).for_each(|_| assert!(self.decrypt())),
            "refuse" => (0..count).for_each(|_| assert!(!self.decrypt())),
            _ => return None,
        }
        Some((began, Instant::now()))
    }
}

fn main() {
    let name = std::env::args().nth(1).expect("peers bare|aws-lc-rs|ring");
    let make = || -> Box<dyn Peer> {
        match name.as_str() {
            "bare" => Box::new(bare::Bare::new()),
            "aws-lc-rs" => Box::new(aws_lc::AwsLc::new()),
            "ring" => Box::new(with_ring::Ring::new()),
            other => panic!("no peer {other}"),
        }
    };
    let mut hands: Vec<Hand> = (0..16).map(|_| Hand::new(make())).collect();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [work, size, threads, count] = words[..] else { panic!("WORK SIZE THREADS COUNT, and not {line:?}") };
        let (size, threads, count) = (size.parse().unwrap(), threads.parse().unwrap(), count.parse().unwrap());
        let ready = Barrier::new(threads);
        let times: Vec<Option<(Instant, Instant)>> = if threads == 1 {
            vec![hands[0].time(work, size, count, &ready)]
        } else {
            std::thread::scope(|scope| {
                let turns: Vec<_> = hands[..threads]
                    .iter_mut()
                    .map(|hand| scope.spawn(|| hand.time(work, size, count, &ready)))
                    .collect();
                turns.into_iter().map(|turn| turn.join().unwrap()).collect()
            })
        };
        let began = times.iter().flatten().map(|time| time.0).min();
        let ended = times.iter().flatten().map(|time| time.1).max();
        match began.zip(ended) {
            Some((began, ended)) => println!("{}", (ended - began).as_nanos()),
            None => println!("-"),
        }
        std::io::stdout().flush().unwrap();
    }
}
