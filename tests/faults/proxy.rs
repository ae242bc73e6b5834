//! A TCP proxy before each broker, by which the network fails as a test wants.
//!
//! A thread accepts; each connection has two threads for each direction: one reads and notes when what it has read
//! is due, the other one waits until then and writes. All of them look at the common [`State`] at least every
//! [`LOOK`], so that nothing outlives the proxy by more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Proxies, one for each broker of a cluster.
pub struct Network {
    state: Arc<State>,
}

/// What the network does to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// All is well.
    Good,
    /// Nothing comes through, and nobody is told: a cable is pulled.
    Silent,
    /// Brokers do as they are asked, and no answer comes through.
    Unanswered,
    /// Connections are closed, and new ones as soon as they are made.
    Cut,
    /// Each direction takes so long.
    Delayed(Duration),
    /// Each direction of a connection lets so many bytes pass a second.
    Throttled(u64),
}

struct State {
    condition: Mutex<Condition>,
    /// What the request has in it from which on nothing is answered.
    last_answered: Mutex<Option<Vec<u8>>>,
    /// Connections of an older one are over.
    generation: AtomicU64,
    /// Whether the next request that is long enough is to be broken off.
    reset: AtomicBool,
    /// Whether the next answer is to be lost.
    lose: AtomicBool,
    resets: AtomicU64,
    over: AtomicBool,
}

impl Network {
    /// Listens at each of `fronts` for the broker at the same place of `backs`; both are comma-separated.
    pub fn before(fronts: &str, backs: &str) -> Self {
        let state = Arc::new(State {
            condition: Mutex::new(Condition::Good),
            last_answered: Mutex::new(None),
            generation: AtomicU64::new(0),
            reset: AtomicBool::new(false),
            lose: AtomicBool::new(false),
            resets: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        for (front, back) in fronts.split(',').zip(backs.split(',')) {
            let listener = TcpListener::bind(front).expect("the port was set aside for a proxy");
            listener.set_nonblocking(true).unwrap();
            let (back, state) = (back.parse().unwrap(), Arc::clone(&state));
            thread::spawn(move || accept(&listener, back, &state));
        }
        Self { state }
    }

    /// Changes the network's condition from now on.
    pub fn is(&self, condition: Condition) {
        *self.state.last_answered.lock().unwrap() = None;
        *self.state.condition.lock().unwrap() = condition;
        if condition == Condition::Cut {
            self.state.generation.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Is [`Condition::Unanswered`] from the next request on that has these bytes in it.
    pub fn answers_until(&self, request: &[u8]) {
        *self.state.last_answered.lock().unwrap() = Some(request.to_owned());
    }

    /// Resets the connection of the next longer request when a part of it has gone through.
    pub fn reset_next_request(&self) {
        self.state.reset.store(true, Ordering::SeqCst);
    }

    /// Breaks the next connection on which a broker answers, and loses the answer: what was asked is done.
    pub fn lose_next_answer(&self) {
        self.state.lose.store(true, Ordering::SeqCst);
    }

    /// How many connections have been broken in these two ways.
    pub fn resets(&self) -> u64 {
        self.state.resets.load(Ordering::SeqCst)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn condition(&self) -> Condition {
        *self.condition.lock().unwrap()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Looks for the request from which on nothing is answered in what a connection brings; `before` is the end of
    /// what it brought before.
    fn look_for_last(&self, before: &mut Vec<u8>, bytes: &[u8]) {
        let mut last = self.last_answered.lock().unwrap();
        let Some(part) = last.as_deref() else {
            before.clear();
            return;
        };
        before.extend_from_slice(bytes);
        if memchr::memmem::find(before, part).is_some() {
            *self.condition.lock().unwrap() = Condition::Unanswered;
            *last = None;
        } else {
            before.drain(..before.len().saturating_sub(part.len()));
        }
    }
}

fn accept(listener: &TcpListener, back: SocketAddr, state: &Arc<State>) {
    while !state.is_over() {
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        if state.condition() == Condition::Cut {
            continue;
        }
        // A broker that is down: the client's connection is closed at once.
        let Ok(broker) = TcpStream::connect(back) else { continue };
        for stream in [&client, &broker] {
            stream.set_nonblocking(false).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(LOOK)).unwrap();
            stream.set_write_timeout(Some(LOOK)).unwrap();
        }
        let (client, broker) = (Arc::new(client), Arc::new(broker));
        let generation = state.generation.load(Ordering::SeqCst);
        let ended = Arc::new(AtomicBool::new(false));
        let direction = |from: &Arc<TcpStream>, to: &Arc<TcpStream>, requests| Direction {
            from: Arc::clone(from),
            to: Arc::clone(to),
            requests,
            generation,
            ended: Arc::clone(&ended),
            state: Arc::clone(state),
        };
        direction(&client, &broker, true).start();
        direction(&broker, &client, false).start();
    }
}

/// One direction of one connection.
#[derive(Clone)]
struct Direction {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    /// From the client to the broker.
    requests: bool,
    generation: u64,
    /// Of both directions.
    ended: Arc<AtomicBool>,
    state: Arc<State>,
}

impl Direction {
    fn start(self) {
        let (sender, receiver) = sync_channel(QUEUE);
        let writer = self.clone();
        thread::spawn(move || {
            // What was read before the end is still written.
            self.read(&sender);
        });
        thread::spawn(move || {
            writer.write(&receiver);
            // Where a connection is reset this would be a decent end of it.
            if !writer.ended.swap(true, Ordering::SeqCst) {
                let _gone = writer.to.shutdown(Shutdown::Write);
            }
        });
    }

    fn is_old(&self) -> bool {
        self.state.generation.load(Ordering::SeqCst) != self.generation
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::SeqCst) || self.is_old() || self.state.is_over()
    }

    fn read(&self, to: &SyncSender<(Instant, Vec<u8>)>) {
        let mut buffer = vec![0; 1 << 16];
        let mut before = Vec::new();
        while !self.is_over() {
            let armed = self.requests && self.state.reset.load(Ordering::SeqCst);
            // Too little for a request with messages: what is left of it makes the system send RST, when the
            // connection is closed with it unread.
            let most = if armed { PART } else { buffer.len() };
            match (&*self.from).read(&mut buffer[..most]) {
                Ok(0) => return,
                Ok(count) => {
                    let reset = count == PART && armed && self.state.reset.swap(false, Ordering::SeqCst);
                    if !self.requests && self.state.lose.swap(false, Ordering::SeqCst) {
                        self.break_off();
                        return;
                    }
                    if self.requests {
                        self.state.look_for_last(&mut before, &buffer[..count]);
                    }
                    let delay = match self.state.condition() {
                        Condition::Delayed(delay) => delay,
                        _ => Duration::ZERO,
                    };
                    if to.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                        return;
                    }
                    if reset {
                        thread::sleep(LOOK);
                        self.break_off();
                        return;
                    }
                }
                Err(error) if is_pause(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// Counted first: who sees that it is broken sees that it was counted.
    fn break_off(&self) {
        self.state.resets.fetch_add(1, Ordering::SeqCst);
        self.ended.store(true, Ordering::SeqCst);
    }

    fn write(&self, from: &Receiver<(Instant, Vec<u8>)>) {
        loop {
            let (due, bytes) = match from.recv_timeout(LOOK) {
                Ok(read) => read,
                Err(RecvTimeoutError::Timeout) if self.is_over() => return,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                if self.is_old() || self.state.is_over() {
                    return;
                }
                let mut next = rest;
                match self.state.condition() {
                    Condition::Unanswered if self.requests => {}
                    Condition::Silent | Condition::Unanswered => {
                        thread::sleep(LOOK);
                        continue;
                    }
                    Condition::Throttled(rate) => {
                        next = &rest[..rest.len().min(4096)];
                        thread::sleep(Duration::from_secs(next.len() as u64) / u32::try_from(rate).unwrap());
                    }
                    _ => {}
                }
                match (&*self.to).write(next) {
                    Ok(0) => return,
                    Ok(written) => rest = &rest[written..],
                    Err(error) if is_pause(&error) => {}
                    Err(_) => return,
                }
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// The longest that anything goes on after the proxy is over.
const LOOK: Duration = Duration::from_millis(20);
/// Chunks of at most 64 KiB on the way in a direction.
const QUEUE: usize = 64;
/// What goes through of a request that is broken off.
const PART: usize = 600;
