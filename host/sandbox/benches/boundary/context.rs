//! A call of nobody, which keeps nothing.

use std::sync::Arc;

use perstack_core::{CallContext, Id, NotKept, Observation, Observer, OpenState, StateError, StateSource};

pub(crate) fn context() -> CallContext {
    struct Nothing;
    #[async_trait::async_trait]
    impl StateSource for Nothing {
        async fn open(&self) -> Result<OpenState, StateError> {
            Err(StateError::Unavailable("there is none".into()))
        }
    }
    impl Observer for Nothing {
        fn observe(&self, _: Observation) -> Result<(), NotKept> {
            Ok(())
        }
    }
    CallContext {
        job_id: Id::from_entropy([1; 24]),
        run_id: Id::from_entropy([2; 24]),
        tool_call_id: "call-1".into(),
        expert_key: "bench".into(),
        state: Arc::new(Nothing),
        observer: Arc::new(Nothing),
    }
}
