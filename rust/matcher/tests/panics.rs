//! A panic is an error of its call, and the next call is served.

use empq_matcher::{Guarded, Index};

#[test]
fn a_panic_is_an_error_of_its_call_alone() {
    let guarded = Guarded::default();
    let heads = |index: &mut Index| index.propose("w", 1).len();

    let literal = guarded.run(|_| -> usize { panic!("a bound was missed") });
    let formatted = guarded.run(|_| -> usize { panic!("shape {} is lost", 7) });
    let other = guarded.run(|_| -> usize { std::panic::panic_any(7) });

    let said = |result: Result<usize, empq_matcher::Panicked>| result.unwrap_err().to_string();
    assert_eq!(said(literal), "matcher panicked: a bound was missed");
    assert_eq!(said(formatted), "matcher panicked: shape 7 is lost");
    assert_eq!(said(other), "matcher panicked: no message");
    assert_eq!(guarded.run(heads), Ok(0));
}

#[test]
fn a_panic_in_one_thread_does_not_stop_another() {
    let guarded = Guarded::default();

    std::thread::scope(|scope| {
        for number in 0..8 {
            let guarded = &guarded;
            scope.spawn(move || {
                let result = guarded.run(|index| {
                    assert!(number % 2 == 0, "odd");
                    index.figures().jobs
                });
                assert_eq!(result.is_ok(), number % 2 == 0);
            });
        }
    });

    assert_eq!(guarded.run(|index| index.check()), Ok(Vec::new()));
}
