//! Mock brokers in a process of their own, which takes commands on stdin and ends with it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use materialize_kafka::kafka::mock::Cluster;

/// The process.
pub struct Brokers {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// As `bootstrap.servers` takes it.
    pub address: String,
}

impl Brokers {
    /// Starts brokers with these topics, that answer after `round_trip`.
    pub fn start(topics: &[String], partitions: i32, round_trip: Duration) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .arg("--be-brokers")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the brokers");
        let commands = process.stdin.take().expect("stdin is a pipe");
        let answers = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut brokers = Self { process, commands, answers, address: String::new() };
        brokers.address = brokers.answer();
        for topic in topics {
            brokers.command(&format!("topic {topic} {partitions}"));
        }
        if !round_trip.is_zero() {
            brokers.command(&format!("rtt {}", round_trip.as_millis()));
        }
        brokers
    }

    fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the brokers take commands");
        assert_eq!(self.answer(), "done", "the brokers' answer to {command:?}");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the brokers answer");
        line.trim().to_owned()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Is the brokers until stdin ends.
pub fn serve() {
    let cluster = Cluster::new(BROKERS).expect("mock brokers");
    println!("{}", cluster.bootstrap_servers());
    for line in std::io::stdin().lines() {
        let line = line.expect("commands are text");
        let words: Vec<&str> = line.split(' ').collect();
        let done = match words[..] {
            ["topic", name, partitions] => {
                cluster.create_topic(name, partitions.parse().expect("a number of partitions"))
            }
            ["rtt", millis] => {
                let time = Duration::from_millis(millis.parse().expect("a number of milliseconds"));
                (0..BROKERS).try_for_each(|broker| cluster.round_trip(broker, time))
            }
            _ => panic!("the brokers know no command {line:?}"),
        };
        done.unwrap_or_else(|error| panic!("{line}: {error}"));
        println!("done");
    }
}

/// The mock numbers them from 0.
const BROKERS: i32 = 2;
