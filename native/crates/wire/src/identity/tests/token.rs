use super::*;
use crate::identity::join::{DETAILS_BYTES_MAX, JoinRefusal, JoinReply, JoinRequest};

const NOW: u64 = 1_800_000_000;

fn token() -> JoinToken {
    JoinToken {
        cluster: [5; 16],
        authority: key(9).public(),
        secret: TokenSecret::new([0x41; 16]),
        expires_unix_s: NOW + 3600,
        addresses: vec!["10.0.0.1:7400".into(), "[fe80::1%eth0]:7400".into(), "p1.lan:1".into()],
    }
}

#[test]
fn tokens_come_back_also_when_the_paste_was_wrapped() {
    let text = token().encode();
    assert!(text.starts_with("shoal1-") && !text.contains(char::is_whitespace));
    assert_eq!(JoinToken::parse(&text, NOW), Ok(token()));
    let wrapped = format!("  {}\r\n  {}\n", &text[..40], &text[40..]);
    assert_eq!(JoinToken::parse(&wrapped, NOW), Ok(token()));
}

#[test]
fn each_wrong_token_has_its_own_error() {
    let text = token().encode();
    let parse = |text: &str| JoinToken::parse(text, NOW).unwrap_err();
    assert_eq!(parse(""), TokenError::NotAToken);
    assert_eq!(parse("hello"), TokenError::NotAToken);
    assert_eq!(parse("shoal-abc"), TokenError::NotAToken);
    assert_eq!(parse(&text.replacen("shoal1", "shoal2", 1)), TokenError::Version);
    assert_eq!(parse(&text.replacen("shoal1", "shoal17", 1)), TokenError::Version);
    for cut in 1..text.len() {
        assert_eq!(parse(&text[..cut]), TokenError::Truncated, "cut at {cut}");
    }
    assert_eq!(parse(&format!("{}A", *text)), TokenError::Mistyped);
    assert_eq!(parse(&format!("{}.", *text)), TokenError::Mistyped);
    assert_eq!(parse(&"shoal1-A".repeat(5000)), TokenError::Mistyped);
    let expired = JoinToken::parse(&text, NOW + 3600).unwrap_err();
    assert_eq!(expired, TokenError::Expired { expired_unix_s: NOW + 3600 });
}

#[test]
fn every_single_mistyped_character_is_noticed() {
    let text = token().encode();
    for at in 7..text.len() {
        for other in ['A', 'b', '7', '-'] {
            let mut typed: Vec<char> = text.chars().collect();
            if typed[at] == other {
                continue;
            }
            typed[at] = other;
            let typed: String = typed.into_iter().collect();
            let error = JoinToken::parse(&typed, NOW).expect_err("mistyped");
            let length_field = at < 11;
            assert!(error == TokenError::Mistyped || length_field, "{error:?} at {at}");
        }
    }
}

#[test]
fn mutated_tokens_never_panic_and_never_pass() {
    let text = token().encode();
    let mut rng = Rng::new(2);
    for _ in 0..50_000 {
        let mut bytes = text.as_bytes().to_vec();
        rng.mutate(&mut bytes);
        let Ok(damaged) = String::from_utf8(bytes) else { continue };
        let same = damaged.split_ascii_whitespace().collect::<String>() == *text;
        assert_eq!(JoinToken::parse(&damaged, NOW).is_ok(), same);
    }
}

#[test]
#[should_panic(expected = "host:port")]
fn an_address_that_no_token_can_hold_is_a_bug_of_the_caller() {
    JoinToken { addresses: vec!["no port".into()], ..token() }.encode();
}

#[test]
fn the_joiner_trusts_only_a_member_of_the_tokens_cluster() {
    let (token, server) = (token(), key(3).public());
    let record = membership().sign(&key(9));
    assert_eq!(token.vouches_for(&record, &server), Some(membership()));
    assert_eq!(token.vouches_for(&record, &key(4).public()), None, "a stolen credential");
    assert_eq!(token.vouches_for(&membership().sign(&key(8)), &server), None, "own authority");
    let elsewhere = Membership { cluster: [6; 16], ..membership() }.sign(&key(9));
    assert_eq!(token.vouches_for(&elsewhere, &server), None);
    assert_eq!(token.vouches_for(&[], &server), None);
}

#[test]
fn a_proof_holds_for_one_joiner_one_cluster_and_these_details() {
    let (token, joiner) = (token(), key(7).public());
    let request = JoinRequest::new(&token.cluster, &token.secret, &joiner, b"name=p4".to_vec());
    assert_eq!(request.token, token.secret.key().public());
    assert!(request.is_proven(&token.cluster, &joiner));
    assert!(!request.is_proven(&token.cluster, &key(8).public()), "somebody else's proof");
    assert!(!request.is_proven(&[6; 16], &joiner), "another cluster");
    let edited = JoinRequest { details: b"name=p5".to_vec(), ..request.clone() };
    assert!(!edited.is_proven(&token.cluster, &joiner));
    let guessed = TokenSecret::new([0x42; 16]);
    let guess = JoinRequest::new(&token.cluster, &guessed, &joiner, Vec::new());
    let claimed = JoinRequest { token: request.token, ..guess };
    assert!(!claimed.is_proven(&token.cluster, &joiner));
    let encoded = request.encode();
    assert!(!encoded.windows(16).any(|window| window == [0x41; 16]), "the secret stays here");
}

#[test]
fn join_messages_come_back_and_mutated_ones_never_panic() {
    let (token, joiner) = (token(), key(7).public());
    let details = vec![1; DETAILS_BYTES_MAX];
    let request = JoinRequest::new(&token.cluster, &token.secret, &joiner, details.clone());
    assert_eq!(JoinRequest::decode(&request.encode()), Ok(request.clone()));
    assert!(request.encode().len() <= crate::frame::GREETING_BYTES_MAX as usize);
    let membership = membership().sign(&key(9));
    let welcome = JoinReply::Welcome { membership, details };
    assert_eq!(JoinReply::decode(&welcome.encode()), Ok(welcome.clone()));
    for number in 1..=6 {
        let reply = JoinReply::decode(&[number]).expect("a refusal");
        assert_eq!(reply.encode(), [number]);
    }
    assert_eq!(JoinReply::decode(&[3]), Ok(JoinReply::Refused(JoinRefusal::Expired)));
    assert!(JoinReply::decode(&[7]).is_err());
    let mut rng = Rng::new(3);
    for _ in 0..20_000 {
        let (mut request, mut reply) = (request.encode(), welcome.encode());
        rng.mutate(&mut request);
        rng.mutate(&mut reply);
        if let Ok(request) = JoinRequest::decode(&request) {
            assert!(request.details.len() <= DETAILS_BYTES_MAX);
        }
        let _understood_or_not = JoinReply::decode(&reply);
    }
}
