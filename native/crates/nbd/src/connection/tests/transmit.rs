use super::*;

const EINVAL: u32 = 22;

#[test]
fn a_write_is_handed_out_aligned_and_answered() {
    let mut connection = open("db0", false, Limits::default());
    let data: Vec<u8> = (0..8192u32).map(|i| i as u8).collect();
    connection.feed(&write(7, 4096, &data));
    let request = next_request(&mut connection);
    assert_eq!((request.offset, request.length), (4096, 8192));
    let Command::Write { data: got, fua: false } = request.command else { panic!() };
    assert_eq!(got, data);
    assert!(got.as_ptr().addr().is_multiple_of(4096));
    assert!(sent(&mut connection).is_empty());
    connection.reply_ok(request.tag);
    assert_eq!(sent(&mut connection), simple_reply(7, 0));
}

#[test]
fn an_odd_write_keeps_block_boundaries_aligned() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&write(7, 4096 + 100, &[9; 5000]));
    let Command::Write { data, .. } = next_request(&mut connection).command else { panic!() };
    assert_eq!(data.len(), 5000);
    assert!(data[4096 - 100..].as_ptr().addr().is_multiple_of(4096));
}

#[test]
fn payload_is_received_into_its_final_place() {
    let mut connection = open("db0", false, Limits::default());
    let data = vec![5u8; 100_000];
    connection.feed(&request(cmd::WRITE, cmd_flag::FUA, 1, 0, data.len() as u32));
    let [payload, staging] = connection.recv_targets().unwrap();
    assert_eq!(payload.len(), data.len());
    let place = payload.as_ptr().addr();
    place_bytes(payload, &data);
    // The next request comes with the same receive.
    let next = request(cmd::FLUSH, 0, 2, 0, 0);
    place_bytes(staging, &next);
    // SAFETY: both written above.
    unsafe { connection.received(data.len() + next.len()) };
    let Command::Write { data: got, fua: true } = next_request(&mut connection).command else {
        panic!()
    };
    assert_eq!((got.as_ptr().addr(), &got[..]), (place, &data[..]));
    assert_eq!(next_request(&mut connection).command, Command::Flush);
}

#[test]
fn a_simple_read_sends_the_very_bytes() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&request(cmd::READ, 0, 3, 0, 10_000));
    let request = next_request(&mut connection);
    assert_eq!(request.command, Command::Read);
    let data = Bytes::from(vec![8; 2000]);
    let place = data.as_ptr();
    connection.reply_read(request.tag, vec![ReadPart::Hole(8000), ReadPart::Data(data)]);
    assert!(connection.outgoing().any(|piece| piece.as_ptr() == place), "no copy");
    let raw = sent(&mut connection);
    assert_eq!(raw[..16], simple_reply(3, 0));
    assert_eq!(raw[16..], [vec![0; 8000], vec![8; 2000]].concat());
}

#[test]
fn a_structured_read_names_its_holes() {
    let mut connection = open("db0", true, Limits::default());
    connection.feed(&request(cmd::READ, 0, 3, 8192, 20_000));
    let tag = next_request(&mut connection).tag;
    let data = Bytes::from(vec![8; 2000]);
    let parts = vec![
        ReadPart::Data(data.clone()),
        ReadPart::Hole(2000),
        ReadPart::Data(data.clone()),
        ReadPart::Hole(4096),
        ReadPart::Hole(7904),
        ReadPart::Data(data),
    ];
    connection.reply_read(tag, parts);
    let list = chunks(&sent(&mut connection));
    assert_eq!(list.len(), 3);
    assert_eq!((list[0].0, list[0].1, list[0].3.len()), (0, chunk::OFFSET_DATA, 8 + 6000));
    assert_eq!(be64(&list[0].3), 8192);
    assert_eq!((list[1].0, list[1].1), (0, chunk::OFFSET_HOLE));
    assert_eq!((be64(&list[1].3), be32(&list[1].3[8..])), (8192 + 6000, 12_000));
    assert_eq!((list[2].0, list[2].1), (chunk::FLAG_DONE, chunk::OFFSET_DATA));
    assert_eq!(be64(&list[2].3), 8192 + 18_000);
}

#[test]
fn df_forbids_fragments() {
    let mut connection = open("db0", true, Limits::default());
    connection.feed(&request(cmd::READ, cmd_flag::DF, 3, 0, 20_000));
    let tag = next_request(&mut connection).tag;
    assert!(!connection.can_chunk(tag));
    let data = ReadPart::Data(Bytes::from(vec![8; 10_000]));
    connection.reply_read(tag, vec![ReadPart::Hole(10_000), data]);
    let list = chunks(&sent(&mut connection));
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].3[8..], [vec![0; 10_000], vec![8; 10_000]].concat());
}

#[test]
fn a_read_in_chunks_can_fail_in_part() {
    let mut connection = open("db0", true, Limits::default());
    connection.feed(&request(cmd::READ, 0, 3, 0, 12_288));
    let tag = next_request(&mut connection).tag;
    connection.read_chunk(tag, 8192, ReadPart::Data(Bytes::from(vec![1; 4096])));
    connection.read_chunk_error(tag, 4096, Errno::Io);
    connection.read_chunk(tag, 0, ReadPart::Hole(4096));
    connection.reply_done(tag);
    let list = chunks(&sent(&mut connection));
    let types: Vec<_> = list.iter().map(|chunk| (chunk.0, chunk.1)).collect();
    let expected =
        [chunk::OFFSET_DATA, chunk::ERROR_OFFSET, chunk::OFFSET_HOLE].map(|kind| (0, kind));
    assert_eq!(types[..3], expected);
    assert_eq!(types[3], (chunk::FLAG_DONE, chunk::NONE));
    let error = &list[1].3;
    let text = usize::from(be16(&error[4..]));
    assert_eq!((be32(error), be64(&error[6 + text..]), error.len()), (5, 4096, 14 + text));
}

#[test]
fn block_status_is_merged_and_clipped() {
    let mut connection = open("db0", true, Limits::default());
    let extent = |length, hole| Extent { length, hole, zero: hole };
    let extents =
        [extent(4096, true), extent(4096, true), extent(4096, false), extent(1 << 40, true)];
    connection.feed(&request(cmd::BLOCK_STATUS, 0, 1, 4096, 65_536));
    let tag = next_request(&mut connection).tag;
    connection.reply_block_status(tag, &extents);
    let list = chunks(&sent(&mut connection));
    assert_eq!((list[0].0, list[0].1), (chunk::FLAG_DONE, chunk::BLOCK_STATUS));
    let words: Vec<u32> = list[0].3.chunks(4).map(be32).collect();
    assert_eq!(words, [1, 8192, 3, 4096, 0, 65_536 - 12_288, 3]);

    connection.feed(&request(cmd::BLOCK_STATUS, cmd_flag::REQ_ONE, 1, 4096, 6000));
    let tag = next_request(&mut connection).tag;
    connection.reply_block_status(tag, &extents);
    let words: Vec<u32> = chunks(&sent(&mut connection))[0].3.chunks(4).map(be32).collect();
    assert_eq!(words, [1, 6000, 3]);
}

#[test]
fn commands_and_flags_are_passed_on() {
    let mut connection = open("db0", true, Limits::default());
    let all = cmd_flag::FUA | cmd_flag::NO_HOLE | cmd_flag::FAST_ZERO;
    connection.feed(&request(cmd::WRITE_ZEROES, all, 1, 0, 1 << 20));
    connection.feed(&request(cmd::TRIM, cmd_flag::FUA, 2, 512, 512));
    connection.feed(&request(cmd::CACHE, 0, 3, 0, 4096));
    connection.feed(&request(cmd::FLUSH, cmd_flag::FUA, 4, 0, 0));
    let zeroes = next_request(&mut connection);
    let expected = Command::WriteZeroes { no_hole: true, fast: true, fua: true };
    assert_eq!((zeroes.command, zeroes.length), (expected, 1 << 20));
    assert_eq!(next_request(&mut connection).command, Command::Trim { fua: true });
    assert_eq!(next_request(&mut connection).command, Command::Cache);
    assert_eq!(next_request(&mut connection).command, Command::Flush);
    connection.reply_error(zeroes.tag, Errno::NotSupported);
    assert_eq!(error_of(&sent(&mut connection)), 95);
}

#[test]
fn not_supported_is_only_for_those_who_asked_for_speed() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&request(cmd::WRITE_ZEROES, 0, 1, 0, 4096));
    let tag = next_request(&mut connection).tag;
    connection.reply_error(tag, Errno::NotSupported);
    assert_eq!(sent(&mut connection), simple_reply(1, EINVAL));
}

#[test]
fn refusals_by_request() {
    let end = SIZE;
    let cases = [
        ("db0", request(cmd::READ, 0, 1, end - 512, 1024), EINVAL),
        ("db0", request(cmd::READ, 0, 1, u64::MAX, 2), EINVAL),
        ("db0", request(cmd::READ, cmd_flag::NO_HOLE, 1, 0, 512), EINVAL),
        ("db0", request(cmd::READ, 1 << 9, 1, 0, 512), EINVAL),
        ("db0", write(1, end - 512, &[0; 1024]), 28),
        ("db0", request(cmd::WRITE_ZEROES, 0, 1, end, 512), 28),
        ("db0", request(cmd::WRITE_ZEROES, cmd_flag::DF, 1, 0, 512), EINVAL),
        ("db0", request(cmd::TRIM, 0, 1, end, 1), EINVAL),
        ("db0", request(cmd::CACHE, 0, 1, end, 1), EINVAL),
        ("db0", request(cmd::BLOCK_STATUS, 0, 1, end, 1), EINVAL),
        ("db0", request(cmd::BLOCK_STATUS, 0, 1, 0, 0), EINVAL),
        ("db0", request(cmd::FLUSH, 0, 1, 0, 1), EINVAL),
        ("db0", request(8, 0, 1, 0, 512), EINVAL),
        ("db1", write(1, 0, &[0; 512]), 1),
        ("db1", request(cmd::TRIM, 0, 1, 0, 512), 1),
        ("db1", request(cmd::WRITE_ZEROES, 0, 1, 0, 512), 1),
        ("blocks", write(1, 512, &[0; 512]), EINVAL),
        ("blocks", request(cmd::READ, 0, 1, 0, 4095), EINVAL),
    ];
    for (name, raw, errno) in &cases {
        for structured in [true, false] {
            let mut connection = open(name, structured, Limits::default());
            // A refused write's payload is thrown away, and the next request is understood.
            connection.feed(raw);
            assert_eq!(error_of(&sent(&mut connection)), *errno, "{name} {raw:?}");
            connection.feed(&request(cmd::FLUSH, 0, 2, 0, 0));
            assert_eq!(next_request(&mut connection).command, Command::Flush);
        }
    }
}

#[test]
fn block_status_needs_a_context() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&request(cmd::BLOCK_STATUS, 0, 1, 0, 512));
    connection.feed(&request(cmd::READ, cmd_flag::DF, 2, 0, 512));
    assert_eq!(sent(&mut connection), [simple_reply(1, EINVAL), simple_reply(2, EINVAL)].concat());
}

#[test]
fn empty_requests_succeed() {
    let mut connection = open("db0", true, Limits::default());
    connection.feed(&request(cmd::READ, 0, 1, 0, 0));
    assert_eq!(chunks(&sent(&mut connection)), [(chunk::FLAG_DONE, chunk::NONE, 1, vec![])]);
    for command in [cmd::WRITE, cmd::TRIM, cmd::WRITE_ZEROES, cmd::CACHE] {
        connection.feed(&request(command, 0, 1, SIZE, 0));
        assert_eq!(sent(&mut connection), simple_reply(1, 0));
    }
    assert_eq!(connection.next_event(), None);
}

#[test]
fn huge_reads_overflow_and_huge_writes_close() {
    struct Big;
    impl Exports for Big {
        fn list(&self) -> Vec<ExportEntry> {
            vec![]
        }
        fn find(&self, _: &str) -> Result<Export, LookupError> {
            Ok(Export { size: 1 << 50, ..export("big", false) })
        }
    }
    let mut connection = open("db0", true, Limits::default());
    connection.phase = Phase::Transmission(Session {
        export: Big.find("").unwrap(),
        structured: true,
        block_status: true,
    });
    connection.feed(&request(cmd::READ, 0, 1, 0, (32 << 20) + 1));
    assert_eq!(error_of(&sent(&mut connection)), 75);
    // Without payload any length goes.
    connection.feed(&request(cmd::WRITE_ZEROES, 0, 1, 0, u32::MAX));
    assert_eq!(next_request(&mut connection).length, u32::MAX);
    connection.feed(&request(cmd::WRITE, 0, 1, 0, u32::MAX));
    let reason = CloseReason::Violation(Violation::PayloadTooLong(u32::MAX));
    assert_eq!(connection.finished(), Some(reason));
}

#[test]
fn answers_come_in_any_order_and_cookies_may_repeat() {
    let mut connection = open("db0", false, Limits::default());
    let raw: Vec<u8> = (0..5u64).flat_map(|i| request(cmd::TRIM, 0, i / 2, i * 512, 512)).collect();
    connection.feed(&raw);
    let tags: Vec<_> = (0..5).map(|_| next_request(&mut connection).tag).collect();
    for index in [4, 0, 2, 1, 3] {
        connection.reply_ok(tags[index]);
        assert_eq!(sent(&mut connection), simple_reply(index as u64 / 2, 0));
    }
    assert_eq!(connection.in_flight(), 0);
}

#[test]
#[should_panic(expected = "is answered")]
fn a_second_answer_is_a_broken_invariant() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&request(cmd::FLUSH, 0, 1, 0, 0));
    let first = next_request(&mut connection).tag;
    connection.reply_ok(first);
    connection.feed(&request(cmd::FLUSH, 0, 2, 0, 0));
    connection.reply_ok(first);
}

#[test]
fn goodbye_waits_for_what_is_in_flight() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&write(1, 0, &[1; 512]));
    connection.feed(&request(cmd::DISC, 0, 0, 0, 0));
    assert_eq!(connection.finished(), None);
    assert!(connection.recv_targets().is_none(), "nothing may follow a goodbye");
    let tag = next_request(&mut connection).tag;
    connection.reply_ok(tag);
    assert_eq!(connection.finished(), None);
    assert_eq!(sent(&mut connection), simple_reply(1, 0));
    assert_eq!(connection.finished(), Some(CloseReason::Disconnected));
}

#[test]
fn shutdown_answers_what_is_in_flight_and_refuses_what_comes() {
    let mut connection = open("db0", true, Limits::default());
    connection.feed(&request(cmd::FLUSH, 0, 1, 0, 0));
    let whole = write(2, 0, &[1; 512]);
    connection.feed(&whole[..100]);
    let tag = next_request(&mut connection).tag;
    connection.shutdown();
    assert_eq!(connection.finished(), None);
    connection.feed(&whole[100..]);
    assert_eq!(error_of(&sent(&mut connection)), 108);
    connection.feed(&request(cmd::READ, 0, 3, 0, 512));
    assert_eq!(error_of(&sent(&mut connection)), 108);
    assert_eq!(connection.next_event(), None);
    connection.reply_ok(tag);
    assert_eq!(connection.finished(), None);
    assert_eq!(sent(&mut connection), simple_reply(1, 0));
    assert_eq!(connection.finished(), Some(CloseReason::Shutdown));
}

#[test]
fn a_bad_request_closes_at_once_and_late_answers_are_dropped() {
    let mut connection = open("db0", false, Limits::default());
    connection.feed(&request(cmd::FLUSH, 0, 1, 0, 0));
    let tag = next_request(&mut connection).tag;
    connection.feed(&[0xee; 28]);
    let reason = CloseReason::Violation(Violation::BadRequestMagic(0xeeee_eeee));
    assert_eq!(connection.finished(), Some(reason));
    connection.reply_ok(tag);
    assert!(sent(&mut connection).is_empty());
}

#[test]
fn the_kernel_starts_in_transmission() {
    let pool = BufferPool::new(0);
    let mut connection = Connection::for_kernel(export("k", false), Limits::default(), pool);
    assert_eq!(connection.outgoing_bytes(), 0);
    connection.feed(&request(cmd::READ, 0, 9, 0, 512));
    let tag = next_request(&mut connection).tag;
    connection.reply_read(tag, vec![ReadPart::Hole(512)]);
    assert_eq!(sent(&mut connection).len(), 16 + 512);
}
