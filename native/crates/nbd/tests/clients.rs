//! Real clients: libnbd (nbdinfo, nbdcopy), QEMU (qemu-io, qemu-img) and fio.

mod support;

use std::fs;

use support::common::Disk;
use support::{SIZE, Server, run, run_ok, sample, text};

const LIBNBD: &str = "libnbd-bin";
const QEMU: &str = "qemu-utils";

fn qemu_io(uri: &str, commands: &[&str]) -> String {
    let mut args = vec!["-f", "raw"];
    commands.iter().for_each(|command| args.extend(["-c", command]));
    args.push(uri);
    let out = run_ok(QEMU, "qemu-io", &args);
    let failed = ["verification failed", "read failed", "write failed", "error"];
    assert!(!failed.iter().any(|word| out.contains(word)), "{out}");
    out
}

#[test]
fn nbdinfo_sees_what_is_offered() {
    let server = Server::start();
    let info = run_ok(LIBNBD, "nbdinfo", &["--json", &server.uri("vol")]);
    for fact in [
        "\"protocol\": \"newstyle-fixed\"",
        "\"structured\": true",
        "\"export-size\": 67108864",
        "\"description\": \"about vol\"",
        "\"is_read_only\": false",
        "\"is_rotational\": false",
        "\"can_cache\": true",
        "\"can_df\": true",
        "\"can_fast_zero\": true",
        "\"can_flush\": true",
        "\"can_fua\": true",
        "\"can_multi_conn\": true",
        "\"can_trim\": true",
        "\"can_zero\": true",
        "\"base:allocation\"",
        "\"block_size_minimum\": 1",
        "\"block_size_preferred\": 4096",
        "\"block_size_maximum\": 33554432",
    ] {
        assert!(info.contains(fact), "{fact} is not in {info}");
    }
    let info = run_ok(LIBNBD, "nbdinfo", &["--json", &server.uri("xlocked")]);
    assert!(info.contains("\"is_read_only\": true"), "{info}");
    assert!(info.contains("\"can_trim\": false"), "{info}");
    let info = run_ok(LIBNBD, "nbdinfo", &[&server.uri("wblocks")]);
    assert!(info.contains("block_size_minimum: 4096"), "{info}");
}

#[test]
fn nbdinfo_lists_and_refuses() {
    let server = Server::start();
    let list = run_ok(LIBNBD, "nbdinfo", &["--list", &server.uri("")]);
    for name in ["vol", "vol2", "wblocks", "xlocked", "xodd"] {
        assert!(list.contains(&format!("export=\"{name}\"")), "{list}");
    }
    let output = run(LIBNBD, "nbdinfo", &[&server.uri("nope")]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no such export") || said.contains("nope"), "{said}");
    // The default export is the first.
    assert_eq!(run_ok(LIBNBD, "nbdinfo", &["--size", &server.uri("")]).trim(), "67108864");
}

#[test]
fn nbdcopy_goes_in_across_and_out_over_many_connections() {
    let server = Server::start();
    let source = server.path("source");
    let content = sample(&source, SIZE as usize, 1);
    let fast = ["--connections=4", "--requests=64"];
    run_ok(LIBNBD, "nbdcopy", &[&fast[..], &[text(&source), &server.uri("vol")]].concat());
    assert!(server.content("vol") == content);
    let (from, to) = (server.uri("vol"), server.uri("vol2"));
    run_ok(LIBNBD, "nbdcopy", &[&fast[..], &["--flush", &from, &to]].concat());
    assert!(server.content("vol2") == content);
    let back = server.path("back");
    run_ok(LIBNBD, "nbdcopy", &["--synchronous", &to, text(&back)]);
    assert!(fs::read(&back).unwrap() == content);
    // Whole-request sizes at and near the largest payload.
    run_ok(LIBNBD, "nbdcopy", &["--request-size=33554432", &from, text(&back)]);
    assert!(fs::read(&back).unwrap() == content);
}

#[test]
fn nbdcopy_keeps_holes_and_odd_sizes() {
    let server = Server::start();
    let map = |name: &str| run_ok(LIBNBD, "nbdinfo", &["--map", "--totals", &server.uri(name)]);
    assert!(map("vol").contains("100.0%   3 hole,zero"), "{}", map("vol"));
    server.exports.disk("vol").write(8 << 20, &vec![7; 8 << 20]).unwrap();
    assert!(map("vol").contains("12.5%   0 data"), "{}", map("vol"));
    run_ok(LIBNBD, "nbdcopy", &["--destination-is-zero", &server.uri("vol"), &server.uri("vol2")]);
    assert_eq!(map("vol"), map("vol2"));

    let source = server.path("odd");
    let content = sample(&source, 1_000_001, 2);
    run_ok(LIBNBD, "nbdcopy", &[text(&source), &server.uri("xodd")]);
    assert!(server.content("xodd") == content);
}

#[test]
fn qemu_io_reads_what_it_wrote() {
    let server = Server::start();
    let uri = server.uri("vol");
    qemu_io(
        &uri,
        &[
            "write -P 0x11 0 1M",
            "write -f -P 0x22 512 512",
            "write -P 0x33 1000 37",
            "write -z 256k 64k",
            "write -z -u 512k 128k",
            "discard 768k 64k",
            "flush",
            "aio_write -P 0x44 2M 1M",
            "aio_write -P 0x55 3M 1M",
            "aio_flush",
        ],
    );
    qemu_io(
        &uri,
        &[
            "read -P 0x11 0 512",
            "read -P 0x22 512 488",
            "read -P 0x33 1000 37",
            "read -P 0x11 1037 8k",
            "read -P 0 256k 64k",
            "read -P 0x11 320k 192k",
            "read -P 0 512k 128k",
            "read -P 0x44 2M 1M",
            "read -P 0x55 3M 1M",
            "read -P 0 4M 32M",
        ],
    );
    let whole = server.content("vol");
    assert!(whole[256 << 10..320 << 10].iter().all(|byte| *byte == 0));
}

#[test]
fn qemu_io_works_with_blocks_of_4096() {
    let server = Server::start();
    // QEMU merges parts of blocks itself, because the minimum is announced.
    qemu_io(&server.uri("wblocks"), &["write -P 0x11 0 64k", "write -P 0x22 512 512"]);
    let whole = server.content("wblocks");
    assert!(whole[512..1024].iter().all(|byte| *byte == 0x22));
    assert!(whole[1024..65536].iter().all(|byte| *byte == 0x11));
}

#[test]
fn read_only_stays_as_it_is() {
    let server = Server::start();
    let uri = server.uri("xlocked");
    let output = run(QEMU, "qemu-io", &["-f", "raw", "-c", "write 0 4k", &uri]);
    assert!(!output.status.success());
    qemu_io_read_only(&uri);
    assert!(server.content("xlocked").iter().all(|byte| *byte == 0));
}

fn qemu_io_read_only(uri: &str) {
    run_ok(QEMU, "qemu-io", &["-r", "-f", "raw", "-c", "read -P 0 0 1M", uri]);
}

#[test]
fn qemu_img_converts_compares_and_maps() {
    let server = Server::start();
    let source = server.path("source.raw");
    sample(&source, SIZE as usize, 3);
    let uri = server.uri("vol");
    let raw = ["-f", "raw", "-O", "raw"];
    let convert = |more: &[&str], from: &str, to: &str| {
        run_ok(QEMU, "qemu-img", &[&["convert", "-n"], &raw[..], more, &[from, to]].concat());
    };
    convert(&["-m", "16", "-W"], text(&source), &uri);
    let compare =
        |a: &str, b: &str| run_ok(QEMU, "qemu-img", &["compare", "-f", "raw", "-F", "raw", a, b]);
    assert!(compare(text(&source), &uri).contains("Images are identical"));
    convert(&["-S", "4k"], &uri, &server.uri("vol2"));
    assert!(compare(&uri, &server.uri("vol2")).contains("Images are identical"));

    let map = run_ok(QEMU, "qemu-img", &["map", "--output=json", "-f", "raw", &uri]);
    assert!(map.contains("\"zero\": true") && map.contains("\"data\": true"), "{map}");
    let info = run_ok(QEMU, "qemu-img", &["info", "-f", "raw", &uri]);
    assert!(info.contains("64 MiB"), "{info}");

    let qcow = server.path("copy.qcow2");
    run_ok(QEMU, "qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &uri, text(&qcow)]);
    let args = ["compare", "-f", "raw", "-F", "qcow2", &uri, text(&qcow)];
    assert!(run_ok(QEMU, "qemu-img", &args).contains("Images are identical"));
}

#[test]
fn qemu_img_bench_runs_deep_queues() {
    let server = Server::start();
    let uri = server.uri("vol");
    let deep = ["-c", "20000", "-d", "64", "-s", "4096", "-f", "raw", "-t", "none"];
    run_ok(QEMU, "qemu-img", &[&["bench", "-w", "--pattern=90"], &deep[..], &[&uri]].concat());
    run_ok(QEMU, "qemu-img", &[&["bench"], &deep[..], &[&uri]].concat());
    assert!(server.content("vol").iter().all(|byte| *byte == 90));
}

#[test]
fn fio_verifies_random_writes() {
    let server = Server::start();
    let job = |name: &str, bs: &str| {
        let args = [
            "--name=verify",
            "--ioengine=nbd",
            &format!("--uri={}", server.uri(name)),
            "--rw=randrw",
            "--rwmixread=30",
            bs,
            "--iodepth=32",
            "--size=64M",
            "--io_size=128M",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--verify_state_save=0",
            "--verify_backlog=256",
            "--randseed=7",
            "--output-format=terse",
        ];
        run_ok("fio", "fio", &args);
    };
    job("vol", "--bsrange=4k-64k");
    job("wblocks", "--bs=4k");
}
