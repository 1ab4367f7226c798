use super::*;

#[test]
fn greets_with_fixed_newstyle_and_no_zeroes() {
    let mut connection = connection(Limits::default());
    let greeting = sent(&mut connection);
    assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
    assert_eq!(&greeting[16..], [0, 3]);
    assert!(connection.is_negotiating());
}

#[test]
fn unknown_client_flags_close() {
    let mut connection = connection(Limits::default());
    sent(&mut connection);
    connection.feed(&7u32.to_be_bytes());
    let reason = CloseReason::Violation(Violation::UnknownClientFlags(7));
    assert_eq!(connection.finished(), Some(reason));
    assert!(connection.recv_targets().is_none());
}

#[test]
fn go_describes_the_export_and_opens_it() {
    let mut connection = negotiating();
    connection.feed(&option(opt::GO, &info_data("", &[1, 2, 3, 99])));
    let replies = option_replies(&sent(&mut connection));
    let flags = flag::HAS_FLAGS
        | flag::SEND_FLUSH
        | flag::SEND_FUA
        | flag::SEND_TRIM
        | flag::SEND_WRITE_ZEROES
        | flag::SEND_FAST_ZERO
        | flag::SEND_CACHE
        | flag::CAN_MULTI_CONN;
    let mut about = vec![0, 0];
    about.extend(SIZE.to_be_bytes());
    about.extend(flags.to_be_bytes());
    assert_eq!(replies[0], (opt::GO, rep::INFO, about));
    assert_eq!(replies[1].2, [0, 3, 0, 0, 0, 1, 0, 0, 16, 0, 2, 0, 0, 0]);
    assert_eq!(replies[2].2, b"\0\x01db0");
    assert_eq!(replies[3].2, b"\0\x02d");
    assert_eq!(replies[4], (opt::GO, rep::ACK, vec![]));
    assert_eq!(connection.next_event(), Some(Event::Opened(export("db0", false))));
    assert!(!connection.is_negotiating());
}

#[test]
fn info_describes_and_goes_on() {
    let mut connection = negotiating();
    connection.feed(&option(opt::INFO, &info_data("db1", &[])));
    let replies = option_replies(&sent(&mut connection));
    let flags = be16(&replies[0].2[10..]);
    assert_eq!(flags & flag::READ_ONLY, flag::READ_ONLY);
    assert_eq!(flags & (flag::SEND_TRIM | flag::SEND_WRITE_ZEROES | flag::SEND_FAST_ZERO), 0);
    assert!(connection.is_negotiating());
    connection.feed(&option(opt::INFO, &info_data("blocks", &[3])));
    let replies = option_replies(&sent(&mut connection));
    assert_eq!(be32(&replies[1].2[2..]), 4096);
}

#[test]
fn export_name_opens_with_or_without_zeroes() {
    for (client_flags, length) in [(1u32, 134), (3, 10)] {
        let mut connection = connection(Limits::default());
        sent(&mut connection);
        connection.feed(&client_flags.to_be_bytes());
        connection.feed(&option(opt::EXPORT_NAME, b"db0"));
        let reply = sent(&mut connection);
        assert_eq!(reply.len(), length);
        assert_eq!(be64(&reply), SIZE);
        assert!(connection.next_event().is_some());
    }
}

#[test]
fn export_name_cannot_be_refused_politely() {
    for name in ["nope", "secret"] {
        let mut connection = negotiating();
        connection.feed(&option(opt::EXPORT_NAME, name.as_bytes()));
        let reason = CloseReason::Violation(Violation::ExportRefused);
        assert_eq!(connection.finished(), Some(reason));
    }
}

#[test]
fn list_names_all_exports() {
    let mut connection = negotiating();
    connection.feed(&option(opt::LIST, &[]));
    let replies = option_replies(&sent(&mut connection));
    assert_eq!(replies[0], (opt::LIST, rep::SERVER, b"\0\0\0\x03db0x".to_vec()));
    assert_eq!(replies[1], (opt::LIST, rep::SERVER, b"\0\0\0\x03db1x".to_vec()));
    assert_eq!(replies[2], (opt::LIST, rep::ACK, vec![]));
}

#[test]
fn refusals_by_option() {
    let long_name = "n".repeat(4097);
    let cases: [(u32, Vec<u8>, u32); 16] = [
        (opt::STARTTLS, vec![], rep::ERR_POLICY),
        (4, vec![], rep::ERR_UNSUP),
        (11, vec![], rep::ERR_UNSUP),
        (0xffff_ffff, vec![1; 100], rep::ERR_UNSUP),
        (opt::LIST, vec![1], rep::ERR_INVALID),
        (opt::STRUCTURED_REPLY, vec![1], rep::ERR_INVALID),
        (opt::GO, info_data("nope", &[]), rep::ERR_UNKNOWN),
        (opt::INFO, info_data("secret", &[]), rep::ERR_POLICY),
        (opt::GO, vec![], rep::ERR_INVALID),
        (opt::GO, vec![0xff; 6], rep::ERR_INVALID),
        (opt::GO, [info_data("db0", &[]), vec![0]].concat(), rep::ERR_INVALID),
        (opt::GO, info_data(&long_name, &[]), rep::ERR_TOO_BIG),
        (opt::GO, info_data("db0", &[3; 65]), rep::ERR_TOO_BIG),
        (opt::GO, b"\0\0\0\x02\xff\xfe\0\0".to_vec(), rep::ERR_INVALID),
        (opt::LIST_META_CONTEXT, meta_data("db0", &[]), rep::ERR_INVALID),
        (opt::INFO, vec![0; 9000], rep::ERR_TOO_BIG),
    ];
    let mut connection = negotiating();
    for (code, data, expected) in cases {
        let raw = option(code, &data);
        assert_eq!(connection.feed(&raw), raw.len());
        assert_eq!(kinds(&sent(&mut connection)), [expected], "option {code}");
    }
    assert_eq!(connection.finished(), None);
    connection.feed(&option(opt::GO, &info_data("db0", &[])));
    assert!(connection.next_event().is_some());
}

#[test]
fn meta_contexts_are_found_selected_and_replaced() {
    let mut connection = negotiating();
    connection.feed(&option(opt::STRUCTURED_REPLY, &[]));
    sent(&mut connection);
    for (queries, found) in [
        (&[][..], true),
        (&["base:"], true),
        (&["x-y:z", "base:allocation"], true),
        (&["base:dirty", "qemu:"], false),
    ] {
        connection.feed(&option(opt::LIST_META_CONTEXT, &meta_data("db0", queries)));
        let replies = kinds(&sent(&mut connection));
        assert_eq!(replies.contains(&rep::META_CONTEXT), found, "{queries:?}");
        assert_eq!(*replies.last().unwrap(), rep::ACK);
    }
    let set = |connection: &mut Connection, name: &str, queries: &[&str]| {
        connection.feed(&option(opt::SET_META_CONTEXT, &meta_data(name, queries)));
        kinds(&sent(connection))
    };
    assert_eq!(set(&mut connection, "db0", &["base:"]), [rep::ACK]);
    assert_eq!(set(&mut connection, "db0", &["base:allocation"]), [rep::META_CONTEXT, rep::ACK]);
    // A failure forgets the selection too.
    assert_eq!(set(&mut connection, "nope", &["base:allocation"]), [rep::ERR_UNKNOWN]);
    connection.feed(&option(opt::GO, &info_data("db0", &[])));
    sent(&mut connection);
    connection.next_event();
    connection.feed(&request(cmd::BLOCK_STATUS, 0, 1, 0, 4096));
    assert_eq!(error_of(&sent(&mut connection)), 22);
}

#[test]
fn a_context_of_another_export_does_not_count() {
    let mut connection = negotiating();
    connection.feed(&option(opt::STRUCTURED_REPLY, &[]));
    sent(&mut connection);
    connection.feed(&option(opt::SET_META_CONTEXT, &meta_data("db1", &["base:allocation"])));
    sent(&mut connection);
    connection.feed(&option(opt::GO, &info_data("db0", &[])));
    sent(&mut connection);
    connection.next_event();
    connection.feed(&request(cmd::BLOCK_STATUS, 0, 1, 0, 4096));
    assert_eq!(error_of(&sent(&mut connection)), 22);
}

#[test]
fn abort_is_acknowledged_then_closed() {
    let mut connection = negotiating();
    connection.feed(&option(opt::ABORT, b"bye"));
    assert_eq!(connection.finished(), None, "the answer is still to be sent");
    assert_eq!(kinds(&sent(&mut connection)), [rep::ACK]);
    assert_eq!(connection.finished(), Some(CloseReason::Disconnected));
}

#[test]
fn bad_magic_endless_and_too_many_options_close() {
    let close = |raw: &[u8]| {
        let mut connection = negotiating();
        connection.feed(raw);
        connection.finished()
    };
    let mut bad = option(opt::LIST, &[]);
    bad[0] = 0;
    assert!(matches!(close(&bad), Some(CloseReason::Violation(Violation::BadOptionMagic(_)))));
    let mut endless = option(opt::INFO, &[]);
    endless[12..].copy_from_slice(&u32::MAX.to_be_bytes());
    let reason = Violation::OptionTooLong(u32::MAX);
    assert_eq!(close(&endless), Some(CloseReason::Violation(reason)));

    let mut connection = negotiating();
    for _ in 0..OPTIONS_MAX {
        connection.feed(&option(4, &[]));
        sent(&mut connection);
    }
    assert_eq!(connection.finished(), None);
    connection.feed(&option(4, &[]));
    let reason = CloseReason::Violation(Violation::TooManyOptions);
    assert_eq!(connection.finished(), Some(reason));
}

#[test]
fn options_wait_until_the_last_answer_is_read() {
    let mut connection = negotiating();
    let flood = option(opt::LIST, &[]).repeat(10_000);
    let taken = connection.feed(&flood);
    assert!(taken <= crate::limits::STAGING_BYTES, "{taken}");
    assert_eq!(kinds(&sent(&mut connection)).len(), 3, "one answer at a time");
    assert_eq!(kinds(&sent(&mut connection)).len(), 3);
}

#[test]
fn a_shut_down_server_refuses_options() {
    let mut connection = negotiating();
    connection.feed(&option(opt::LIST, &[]));
    connection.shutdown();
    assert_eq!(connection.finished(), None);
    connection.feed(&option(opt::GO, &info_data("db0", &[])));
    // The pipelined option is looked at once the first answer went out.
    sent(&mut connection);
    assert_eq!(kinds(&sent(&mut connection)), [rep::ERR_SHUTDOWN]);
    assert_eq!(connection.finished(), Some(CloseReason::Shutdown));
}
