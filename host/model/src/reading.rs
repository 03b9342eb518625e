//! Reads an answer from the bytes of a response, within its time limits.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Answer;
use crate::failure::Failure;
use crate::framing::Framing;

/// A stream that has begun and then shows nothing for this long is dead: the slowest models write a token in seconds.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// What follows a finished answer is the count of tokens; it comes at once or not at all.
const GRACE: Duration = Duration::from_secs(2);

/// After the end mark the response ends at once. Seeing that is worth a moment, since it keeps the connection for the
/// next call.
const FAREWELL: Duration = Duration::from_millis(20);

/// How a provider ends a stream.
const DONE: &str = "[DONE]";

/// When the first token is due, and how to say that it did not come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstToken {
    pub(crate) by: Instant,
    pub(crate) limit: Duration,
}

impl FirstToken {
    pub(crate) fn late(&self) -> Failure {
        Failure::FirstToken(self.limit)
    }
}

/// Reads until the answer is finished. Keep-alive comments of the server count for nothing.
pub(crate) async fn read<S, B>(mut source: S, first_token: FirstToken) -> Result<Answer, Failure>
where
    S: Stream<Item = Result<B, Failure>> + Unpin,
    B: AsRef<[u8]>,
{
    let mut framing = Framing::default();
    let mut answer = Answer::default();
    let mut last_sign = None;
    loop {
        let bytes = match timeout_at(due(first_token, last_sign, &answer), source.next()).await {
            Ok(Some(Ok(bytes))) => bytes,
            _ if answer.is_finished() => return Ok(answer),
            Ok(Some(Err(failure))) => return Err(failure),
            Ok(None) => break,
            Err(_) if last_sign.is_some() => return Err(Failure::Stalled(STALL)),
            Err(_) => return Err(first_token.late()),
        };
        framing.push(bytes.as_ref())?;
        while let Some(event) = framing.next_event()? {
            if event == DONE {
                answer.end()?;
                let _ = timeout(FAREWELL, source.next()).await;
                return Ok(answer);
            }
            answer.take(&event)?;
            if answer.is_started() {
                last_sign = Some(Instant::now());
            }
        }
        if framing.is_whole() {
            last_sign = Some(Instant::now());
        }
    }
    ended(framing, answer)
}

fn due(first_token: FirstToken, last_sign: Option<Instant>, answer: &Answer) -> Instant {
    match last_sign {
        None => first_token.by,
        Some(then) if answer.is_finished() => then + GRACE,
        Some(then) => then + STALL,
    }
}

/// The bytes ended without an end mark.
fn ended(framing: Framing, mut answer: Answer) -> Result<Answer, Failure> {
    let whole = framing.is_whole();
    match framing.end()? {
        Some(event) if event == DONE => answer.end()?,
        Some(json) => {
            answer.take(&json)?;
            if whole {
                answer.end()?;
            }
        }
        None => {}
    }
    if answer.is_finished() { Ok(answer) } else { Err(Failure::Cut) }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use switchhook_core::id::ModelName;
    use switchhook_core::model::Completion;

    use super::*;

    const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    const TOKENS: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1}}\n\n";

    /// Reads pieces that come after so many seconds each; afterwards the connection stays open and silent.
    async fn read_timed(pieces: &'static [(u64, &'static str)]) -> Result<Completion, Failure> {
        let timed = stream::iter(pieces).then(|(wait, piece)| async move {
            tokio::time::sleep(Duration::from_secs(*wait)).await;
            Ok(*piece)
        });
        let limit = Duration::from_secs(10);
        let first_token = FirstToken { by: Instant::now() + limit, limit };
        let answer = read(Box::pin(timed.chain(stream::pending())), first_token).await?;
        answer.complete(&ModelName::new("main").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_token_is_due_whatever_else_the_server_sends() {
        let failure = read_timed(&[(1, ROLE), (8, ": still here\n\n"), (2, HELLO)]).await;
        assert_eq!(failure, Err(Failure::FirstToken(Duration::from_secs(10))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_stream_is_read_and_a_stalled_one_is_ended() {
        assert_eq!(read_timed(&[(9, HELLO), (29, HELLO), (29, STOP)]).await.unwrap().text, "hellohello");
        let comments = &[(9, HELLO), (20, ": still here\n\n"), (11, HELLO)];
        assert_eq!(read_timed(comments).await, Err(Failure::Stalled(STALL)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_finished_answer_waits_for_its_count_only_a_moment() {
        let start = Instant::now();
        assert_eq!(read_timed(&[(0, HELLO), (0, STOP), (1, TOKENS)]).await.unwrap().usage.input_tokens, 4);
        assert_eq!(start.elapsed(), Duration::from_secs(1) + GRACE);
        assert_eq!(read_timed(&[(0, HELLO), (0, STOP), (9, TOKENS)]).await.unwrap().usage.input_tokens, 0);
    }

    #[tokio::test]
    async fn an_end_mark_or_a_finish_reason_makes_it_whole() {
        let first_token = FirstToken { by: Instant::now() + STALL, limit: STALL };
        let all = |pieces: &[&str]| {
            let bytes: Vec<_> = pieces.iter().map(|piece| Ok((*piece).to_owned())).collect();
            read(stream::iter(bytes), first_token)
        };
        assert!(all(&[HELLO, STOP]).await.unwrap().is_finished());
        assert!(all(&[HELLO, "data: [DONE]"]).await.unwrap().is_finished());
        assert_eq!(all(&[HELLO]).await.unwrap_err(), Failure::Cut);
        assert_eq!(all(&[]).await.unwrap_err(), Failure::Cut);
        assert!(matches!(all(&["data: [DONE]\n\n"]).await, Err(Failure::Malformed(_))));
        assert!(matches!(all(&["{\"choices\":[]}"]).await, Err(Failure::Malformed(_))));
    }
}
