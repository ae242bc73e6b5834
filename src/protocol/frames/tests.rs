use super::*;

/// Gives a stream in pieces, with interruptions between them.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
    interrupt: bool,
}

impl<'a> Pieces<'a> {
    fn new(rest: &'a [u8], piece: usize) -> Self {
        Self { rest, piece, interrupt: false }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        assert!(!room.is_empty(), "a read without room looks like the end");
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (now, rest) = self.rest.split_at(self.piece.min(room.len()).min(self.rest.len()));
        room[..now.len()].copy_from_slice(now);
        self.rest = rest;
        Ok(now.len())
    }
}

fn proto(contents: &[u8]) -> Vec<u8> {
    [&u32::try_from(contents.len()).unwrap().to_le_bytes(), contents].concat()
}

/// Contents and places of all frames, and the error that ends them.
fn all(frames: &mut Frames<impl Read>) -> (Vec<(u64, Vec<u8>)>, Option<String>) {
    let mut list = Vec::new();
    loop {
        match frames.next() {
            Ok(Some(frame)) => list.push((frame.at, frames.contents(&frame).to_vec())),
            Ok(None) => return (list, None),
            Err(error) => return (list, Some(error.to_string())),
        }
    }
}

#[test]
fn frames_come_out_whole_whatever_the_pieces() {
    let contents = [&b""[..], b"a", b"abc", &[0xff; 300], b"{"].map(<[u8]>::to_vec);
    let stream = contents.iter().flat_map(|contents| proto(contents)).collect::<Vec<_>>();
    let places = [0, 4, 9, 16, 320];
    let expected = places.into_iter().zip(contents).collect::<Vec<_>>();
    for piece in (1..stream.len()).step_by(if cfg!(miri) { 19 } else { 1 }) {
        assert_eq!(all(&mut Frames::new(Pieces::new(&stream, piece), None)), (expected.clone(), None));
    }
    let stream = b"{}\n\n {\"a\": 1 } \r\n\t\r\n{\"b\"}\n  ";
    let expected = vec![(0, b"{}".to_vec()), (5, b"{\"a\": 1 } \r".to_vec()), (20, b"{\"b\"}".to_vec())];
    for piece in 1..stream.len() {
        assert_eq!(all(&mut Frames::new(Pieces::new(stream, piece), None)), (expected.clone(), None));
    }
}

#[test]
fn the_end_at_every_byte() {
    let stream = [proto(b"abc"), proto(b""), proto(b"defg")].concat();
    let (whole, _) = all(&mut Frames::new(&stream[..], None));
    for cut in 0..=stream.len() {
        let (frames, error) = all(&mut Frames::new(Pieces::new(&stream[..cut], 2), None));
        assert_eq!(frames, whole[..frames.len()]);
        let expected = match cut {
            0 | 7 | 11 | 19 => None,
            1..4 | 8..11 | 12..15 => {
                let at = [0, 7, 11].into_iter().rfind(|at| *at < cut).unwrap();
                Some(Error::TruncatedLength { at: u64_from(at), had: cut - at })
            }
            4..7 => Some(Error::Truncated { at: 0, had: cut - 4, length: 3 }),
            _ => Some(Error::Truncated { at: 11, had: cut - 15, length: 4 }),
        };
        assert_eq!(error, expected.map(|error| error.to_string()), "{cut}");
    }
    let stream = b"{\"a\":1}\n{}\n";
    for cut in 0..=stream.len() {
        let (frames, error) = all(&mut Frames::new(Pieces::new(&stream[..cut], 3), None));
        let (count, expected) = match cut {
            0 => (0, None),
            1..8 => (0, Some(Error::TruncatedLine { at: 0, had: cut })),
            8 => (1, None),
            9 | 10 => (1, Some(Error::TruncatedLine { at: 8, had: cut - 8 })),
            _ => (2, None),
        };
        assert_eq!((frames.len(), error), (count, expected.map(|error| error.to_string())), "{cut}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn the_first_bytes_choose_the_codec() {
    // A message of 123 bytes (and 256 more, ...) has `{` as the first byte of its length.
    for length in [123, 123 + 0x2000, 123 + 0x7d00, 123 + 0xd00 + 0xa_0000] {
        let stream = proto(&vec![b'x'; length]);
        for piece in [1, 3, 4096] {
            let mut frames = Frames::new(Pieces::new(&stream, piece), None);
            assert_eq!(frames.next().unwrap().unwrap().range.len(), length);
            assert_eq!(frames.codec(), Some(Codec::Proto));
        }
    }
    for stream in ["{\"spec\":{}}\n", "{ \t\"spec\":{}}\n", "{\t\t\t\"a\":1}\n", "{}\n{}\n"] {
        let mut frames = Frames::new(Pieces::new(stream.as_bytes(), 1), None);
        frames.next().unwrap().unwrap();
        assert_eq!(frames.codec(), Some(Codec::Json), "{stream}");
    }
    // What has been said beforehand holds.
    let mut frames = Frames::new(&b"{\"spec\":{}}\n"[..], Some(Codec::Proto));
    assert!(matches!(frames.next(), Err(Error::TooLong { .. })));
    let mut frames = Frames::new(&b""[..], None);
    assert!(frames.next().unwrap().is_none());
    assert_eq!(frames.codec(), None);
}

#[test]
fn a_frame_above_the_limit_is_refused_by_its_length() {
    for claimed in [u32::MAX, u32::try_from(MAX_FRAME).unwrap() + 1] {
        let stream = [&claimed.to_le_bytes()[..], b"abc"].concat();
        let mut frames = Frames::new(&stream[..], Some(Codec::Proto));
        let error = frames.next().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "reading the frame at byte 0: its length is {claimed} bytes, at most 67108864 are accepted; where \
                 the document is that large, shorten it; where the input is not protobuf, set \
                 FLOW_RUNTIME_CODEC=json"
            )
        );
        assert_eq!(frames.buffer.len(), FIRST);
        assert!(frames.has_frame(), "the error needs no input");
        assert_eq!(frames.next().unwrap_err().to_string(), error, "it comes again");
    }
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn a_claim_sets_no_memory_aside() {
    for claimed in [60 << 20, u32::try_from(MAX_FRAME).unwrap()] {
        let stream = [&claimed.to_le_bytes()[..], &[0; 1000]].concat();
        let mut frames = Frames::new(&stream[..], Some(Codec::Proto));
        let error = frames.next().unwrap_err();
        assert!(matches!(error, Error::Truncated { at: 0, had: 1000, .. }), "{error}");
        assert_eq!(frames.buffer.capacity(), FIRST);
        // What has come is never less than a half of what there is.
        let stream = [&claimed.to_le_bytes()[..], &vec![0; 5 << 20]].concat();
        let mut frames = Frames::new(&stream[..], Some(Codec::Proto));
        frames.next().unwrap_err();
        assert_eq!(frames.buffer.capacity(), 8 << 20);
    }
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn a_frame_of_the_limit_passes_and_its_memory_is_given_back() {
    let mut stream = [proto(b"small"), proto(&vec![7; MAX_FRAME])].concat();
    for _ in 0..100 {
        stream.extend(proto(&[8; 10_000]));
    }
    let mut frames = Frames::new(Pieces::new(&stream, 1 << 20), None);
    assert_eq!(frames.next().unwrap().unwrap().range.len(), 5);
    assert_eq!(frames.next().unwrap().unwrap().range.len(), MAX_FRAME);
    assert_eq!(frames.buffer.len(), LONGEST);
    for _ in 0..100 {
        let frame = frames.next().unwrap().unwrap();
        assert_eq!(frames.contents(&frame), [8; 10_000]);
    }
    assert_eq!(frames.buffer.capacity(), FIRST);
    assert!(frames.next().unwrap().is_none());
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn a_buffer_of_some_megabytes_is_kept() {
    let stream = proto(&vec![7; 3 << 20]).repeat(3);
    let mut frames = Frames::new(&stream[..], None);
    frames.next().unwrap().unwrap();
    let place = frames.buffer.as_ptr();
    frames.next().unwrap().unwrap();
    frames.next().unwrap().unwrap();
    assert_eq!((frames.buffer.as_ptr(), frames.buffer.len()), (place, KEPT));
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn a_line_of_the_limit_passes_and_a_longer_one_does_not() {
    let lines = |length: usize| {
        let long = io::repeat(b'1').take(u64_from(length));
        Frames::new(b"{}  \n".chain(long).chain(&b"\n"[..]), None)
    };
    let mut frames = lines(MAX_FRAME);
    frames.next().unwrap().unwrap();
    assert_eq!(frames.next().unwrap().unwrap().range.len(), MAX_FRAME);
    assert!(frames.next().unwrap().is_none());

    let mut frames = lines(MAX_FRAME + 1);
    frames.next().unwrap().unwrap();
    assert_eq!(
        frames.next().unwrap_err().to_string(),
        "reading the line at byte 5: there is no newline in its first 67108864 bytes, which is the limit; where \
         the document is that large, shorten it; where the input is not JSON, set FLOW_RUNTIME_CODEC=proto"
    );
    assert!(frames.buffer.len() <= LONGEST);
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn blank_input_does_not_pile_up() {
    let stream = [&b"{\"a\":1}\n"[..], &vec![b' '; 1 << 20], &vec![b'\n'; 1 << 20], b"{\"b\":2}\n"].concat();
    let mut frames = Frames::new(&stream[..], None);
    frames.next().unwrap().unwrap();
    let frame = frames.next().unwrap().unwrap();
    assert_eq!((frame.at, frames.contents(&frame)), (8 + (2 << 20), &b"{\"b\":2}"[..]));
    assert_eq!(frames.buffer.len(), FIRST);
}

#[test]
fn has_frame_never_reads() {
    struct Once(Option<Vec<u8>>);

    impl Read for Once {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.take().expect("one read is all that is needed");
            room[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    for stream in
        [[proto(b"a"), proto(b"b"), vec![1, 0, 0]].concat(), b"{\"a\":1}\n{\"b\":2}\n\n{\"c\"".to_vec()]
    {
        let mut frames = Frames::new(Once(Some(stream)), None);
        assert!(!frames.has_frame());
        frames.next().unwrap().unwrap();
        assert!(frames.has_frame() && frames.has_frame());
        frames.next().unwrap().unwrap();
        assert!(!frames.has_frame());
    }
}

#[test]
fn an_input_that_fails_says_where() {
    struct Failing(bool);

    impl Read for Failing {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::from_raw_os_error(5));
            }
            room[..10].copy_from_slice(b"\x01\0\0\0a\x09\0\0\0b");
            Ok(10)
        }
    }

    let mut frames = Frames::new(Failing(false), None);
    frames.next().unwrap().unwrap();
    // Miri has words of its own for the system's errors.
    let error = io::Error::from_raw_os_error(5);
    assert_eq!(frames.next().unwrap_err().to_string(), format!("reading the input at byte 10: {error}"));
}

#[test]
fn the_end_is_asked_for_once() {
    struct Terminal(u32);

    impl Read for Terminal {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            Ok(0)
        }
    }

    let mut frames = Frames::new(Terminal(0), None);
    assert!(frames.next().unwrap().is_none() && frames.next().unwrap().is_none());
    assert_eq!(frames.input.0, 1);
}
