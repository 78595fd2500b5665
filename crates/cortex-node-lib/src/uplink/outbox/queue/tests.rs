use super::*;

#[test]
fn a_prompt_attempt_waits_only_while_much_is_on_its_way() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let key = AttemptKey { task: cortex_core::id::TaskId::from_bytes([1; 16]), attempt: 1 };
    queue.admit(key);
    queue.be_prompt(key);
    let mut put = |len: usize| {
        let is_ripe = queue.write(key, Stream::Stdout, vec![b'x'; len].into(), now);
        (is_ripe, queue.next_batch(now).is_some())
    };
    for _ in 0..100 {
        assert_eq!(put(1), (true, true));
    }
    put(PROMPT_BYTES);
    assert!(!put(1).1);
    assert!(queue.next_batch(now + LINGER).is_some());
    queue.acked(key, u64::MAX);
    let is_ripe = queue.write(key, Stream::Stdout, "x".into(), now);
    assert!(is_ripe && queue.next_batch(now).is_some());
}
