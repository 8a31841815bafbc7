//! Other Experts: each is asked in a run of its own, side by side, and its answer is recorded.

use futures::future::join_all;
use perstack_core::{Checkpoint, CheckpointStatus, DelegateTo, DelegatedBy, ToolResult, Usage};

use crate::calls::{Answered, OpenCall, Way, results};
use crate::conversation::OpenCalls;
use crate::error::RunError;
use crate::journal::{Delegation, Entry, Record, Report};
use crate::position::{DelegateStart, delegate_position};
use crate::recorder::new_id;
use crate::request::{MAX_QUERY_BYTES, Stop};
use crate::run::perform;
use crate::scene::{Halted, Rank, Scene};

/// How many Experts may wait for each other in a row.
const MAX_DEPTH: usize = 16;

impl Scene {
    /// Asks the Experts that have not answered yet. True if there were any.
    pub(crate) async fn call_delegates(&self, calls: &mut [OpenCall]) -> Result<bool, Halted> {
        let open: Vec<usize> = (0..calls.len())
            .filter(|index| calls[*index].result.is_none() && matches!(calls[*index].way, Way::Delegate { .. }))
            .collect();
        if open.is_empty() {
            return Ok(false);
        }
        let stop = self.stop_for_delegates(calls, &open)?;
        let (entry, delegations) = self.begin_delegations(calls, &open)?;
        let mut reports = self.recorded_reports(delegations.len())?;
        let base = {
            let checkpoint = self.progress().conversation.checkpoint.clone();
            let usage = if delegations.len() == 1 { checkpoint.usage } else { Usage::default() };
            Base { checkpoint, usage }
        };
        let running = delegations.iter().enumerate().filter(|(index, _)| reports[*index].is_none());
        let running: Vec<(usize, &Delegation)> = running.collect();
        let done = running.iter().map(|(index, delegation)| self.ask_delegate(*index, delegation, &base));
        let mut halted = None;
        for ((index, _), report) in running.iter().zip(join_all(done).await) {
            match report {
                Ok(report) => reports[*index] = Some(report),
                Err(reason) => drop(halted.get_or_insert(reason)),
            }
        }
        if let Some(halted) = halted {
            self.progress().conversation.stopped_in_delegate();
            return Err(halted);
        }
        let mut latest_step = 0;
        let mut usage = Usage::default();
        for (index, report) in open.iter().zip(reports.into_iter().flatten()) {
            latest_step = latest_step.max(report.step_number);
            usage += report.usage;
            let answer = report.answer.map_or_else(Answered::error, Answered::text);
            calls[*index].settle(answer)?;
            if let Some(result) = &mut calls[*index].result {
                result.skill_name = format!("delegate/{}", result.skill_name);
            }
        }
        if stop || self.is_new(entry) {
            let answers: Vec<ToolResult> = open.iter().filter_map(|index| calls[*index].result.clone()).collect();
            self.progress().conversation.delegates_answered(answers, latest_step, usage)?;
        }
        Ok(true)
    }

    /// Ends the run's events until the other Experts have answered, unless an earlier process has done so.
    fn stop_for_delegates(&self, calls: &[OpenCall], open: &[usize]) -> Result<bool, RunError> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let entries = progress.journal.place();
        if !self.is_new(entries + 1) {
            return Ok(false);
        }
        if !progress.conversation.waits_for_delegates() {
            let delegated = open.iter().filter_map(|index| {
                let call = calls[*index].call.clone();
                let Way::Delegate { expert_key, query } = &calls[*index].way else { return None };
                let to = DelegateTo {
                    expert: self.job.cast.info(expert_key),
                    tool_call_id: call.id.clone(),
                    tool_name: call.tool_name.clone(),
                    query: query.clone(),
                };
                Some((call, to))
            });
            let waits = |call: &&OpenCall| call.result.is_none() && !matches!(call.way, Way::Delegate { .. });
            let open = OpenCalls {
                results: results(calls),
                delegated: delegated.collect(),
                pending: calls.iter().filter(waits).map(|call| call.call.clone()).collect(),
            };
            progress.conversation.stopped_by_delegate(&open, entries)?;
        }
        Ok(true)
    }

    /// Records who is asked, or finds it recorded.
    fn begin_delegations(&self, calls: &[OpenCall], open: &[usize]) -> Result<(u64, Vec<Delegation>), RunError> {
        let asked: Vec<Delegation> = open
            .iter()
            .filter_map(|index| match &calls[*index] {
                OpenCall { call, way: Way::Delegate { expert_key, query }, .. } => Some((call, expert_key, query)),
                _ => None,
            })
            .map(|(call, expert_key, query)| {
                Ok(Delegation {
                    tool_call_id: call.id.clone(),
                    expert_key: expert_key.clone(),
                    query: query.clone(),
                    tool_name: call.tool_name.clone(),
                    run_id: new_id()?,
                })
            })
            .collect::<Result<_, RunError>>()?;
        let same = |entry| match entry {
            Entry::Delegated { delegations } => same_delegations(&delegations, &asked).then_some(delegations),
            _ => None,
        };
        let mut progress = self.progress();
        if let Some(recorded) = self.replay(&mut progress, "asked other Experts", same)? {
            return Ok(recorded);
        }
        let entry = self.append(&mut progress, Entry::Delegated { delegations: asked.clone() })?;
        Ok((entry, asked))
    }

    fn recorded_reports(&self, count: usize) -> Result<Vec<Option<Report>>, RunError> {
        let mut reports = vec![None; count];
        let mut progress = self.progress();
        while matches!(progress.journal.peek(), Some(Record { entry: Entry::Reported { .. }, .. })) {
            let Some((entry, Entry::Reported { index, report })) = self.recorded(&mut progress)? else { break };
            let place = reports.get_mut(index);
            let damaged = || RunError::DamagedJournal(format!("entry {entry} is the report of an Expert nobody asked"));
            *place.ok_or_else(damaged)? = Some(report);
        }
        Ok(reports)
    }

    /// Asks one Expert, and keeps what it reports.
    async fn ask_delegate(&self, index: usize, delegation: &Delegation, base: &Base) -> Result<Report, Halted> {
        let report = match self.run_delegate(delegation, base).await? {
            Ok(report) => report,
            Err(reason) => {
                Report { answer: Err(reason), step_number: base.checkpoint.step_number, usage: Usage::default() }
            }
        };
        self.append(&mut self.progress(), Entry::Reported { index, report: report.clone() })?;
        Ok(report)
    }

    /// Runs one Expert to its end, or on from where an earlier process left it; or says why it cannot run.
    async fn run_delegate(&self, delegation: &Delegation, base: &Base) -> Result<Result<Report, String>, Halted> {
        if self.rank.0 >= MAX_DEPTH {
            return Ok(Err(format!("more than {MAX_DEPTH} Experts would wait for each other")));
        }
        if delegation.query.len() > MAX_QUERY_BYTES {
            return Ok(Err(format!("the query has more than {MAX_QUERY_BYTES} bytes")));
        }
        let _place = match self.job.place() {
            Ok(place) => place,
            Err(reason) => return Ok(Err(reason)),
        };
        let expert = match self.job.cast.expert(&delegation.expert_key).await {
            Ok(expert) => expert,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let start = DelegateStart {
            run_id: delegation.run_id.clone(),
            query: delegation.query.clone(),
            usage: base.usage,
            step_number: base.checkpoint.step_number + 1,
            by: DelegatedBy {
                expert: base.checkpoint.expert.clone(),
                tool_call_id: delegation.tool_call_id.clone(),
                tool_name: delegation.tool_name.clone(),
                checkpoint_id: base.checkpoint.id.clone(),
                run_id: base.checkpoint.run_id.clone(),
            },
        };
        let position = delegate_position(&self.job, &expert, start)?;
        let report = |checkpoint: &Checkpoint, answer| Report {
            answer,
            step_number: checkpoint.step_number,
            usage: checkpoint.usage - base.usage,
        };
        match (position.checkpoint.status, position.journal.end(), &position.checkpoint.error) {
            (CheckpointStatus::Completed | CheckpointStatus::StoppedByError, Some(answer), _) => {
                return Ok(Ok(report(&position.checkpoint, answer.clone())));
            }
            (CheckpointStatus::StoppedByError, None, Some(error)) => {
                return Ok(Ok(report(&position.checkpoint, Err(error.message.clone()))));
            }
            _ => {}
        }
        let rank = Rank(self.rank.0 + 1);
        let (stop, scene) = perform(self.job.clone(), expert, position, rank).await?;
        let checkpoint = &scene.progress().conversation.checkpoint;
        Ok(Ok(match stop {
            Stop::Completed(text) => report(checkpoint, Ok(text)),
            Stop::Failed(reason) => report(checkpoint, Err(reason)),
            Stop::Asks(call) => {
                report(checkpoint, Err(format!("it may not ask the user through `{}`", call.tool_name)))
            }
            Stop::MaxSteps(_) => return Err(Halted::Stopped(Box::new(stop))),
        }))
    }
}

/// What the other runs begin with.
struct Base {
    /// Where this run waits.
    checkpoint: Checkpoint,
    /// Tokens that the other run counts on from. Of several, each counts its own.
    usage: Usage,
}

fn same_delegations(recorded: &[Delegation], asked: &[Delegation]) -> bool {
    let same = |(left, right): (&Delegation, &Delegation)| {
        left.tool_call_id == right.tool_call_id && left.expert_key == right.expert_key && left.query == right.query
    };
    recorded.len() == asked.len() && recorded.iter().zip(asked).all(same)
}
