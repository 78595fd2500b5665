//! The contract of [`SessionStore`]: every promise of its documentation, as a case.
//!
//! Each case is a function of its own and expects a store in which nothing is stored.

pub mod append;
pub mod files;
pub mod kinds;
pub mod lists;
pub mod log;
pub mod output;
pub mod races;
mod reopen;
mod scene;
pub mod secrets;
pub mod sessions;
pub mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use reopen::session_store_reopened;

use crate::session::SessionStore;

/// Runs every case on a fresh store of its own that `make` gives.
///
/// The users and nodes of the cases are known nowhere else; a backend must not ask for them. One
/// case stores about 3 MiB of output.
///
/// # Panics
/// The store breaks a promise of [`SessionStore`]; the message says which.
pub async fn session_store(make: impl AsyncFn() -> Arc<dyn SessionStore>) {
    sessions::a_session_is_stored_once(&*make().await).await;
    sessions::sessions_are_listed_by_owner_newest_first(&*make().await).await;
    sessions::an_unknown_session_is_not_found(&*make().await).await;
    sessions::nodes_are_attached_and_detached(&*make().await).await;
    sessions::a_closed_session_takes_no_tasks(&*make().await).await;
    sessions::a_closed_session_lets_its_tasks_end(&*make().await).await;
    sessions::a_session_chains_the_receipts_of_its_log(&*make().await).await;

    log::entries_are_numbered_without_gaps(&*make().await).await;
    log::a_log_is_read_in_pages(&*make().await).await;
    kinds::each_kind_of_entry_is_read_as_written(&*make().await).await;
    log::logs_do_not_mix(&*make().await).await;

    append::a_log_grows_only_where_its_writer_saw_the_end(&*make().await).await;
    append::a_refused_append_changes_nothing(&*make().await).await;
    append::a_task_is_submitted_once(&*make().await).await;
    append::only_submitted_tasks_have_events(&*make().await).await;
    append::one_append_moves_many_tasks(&*make().await).await;

    tasks::a_task_moves_by_its_events(&*make().await).await;
    tasks::a_lost_attempt_is_followed_by_another(&*make().await).await;
    tasks::a_task_ends_once(&*make().await).await;
    tasks::attempts_fence_each_other(&*make().await).await;
    tasks::an_event_must_fit_its_task(&*make().await).await;
    lists::filters_combine(&*make().await).await;
    lists::a_list_is_read_in_pages(&*make().await).await;

    secrets::sealed_secrets_go_with_the_tasks_end(&*make().await).await;

    output::bytes_come_back_as_they_came(&*make().await).await;
    output::short_output_comes_with_its_entry(&*make().await).await;
    output::output_has_no_gap(&*make().await).await;
    output::both_ends_are_kept_of_what_is_cut(&*make().await).await;
    output::data_has_the_length_that_its_event_says(&*make().await).await;
    output::where_nothing_is_stored_a_part_is_empty(&*make().await).await;

    files::files_come_back_as_they_were_published(&*make().await).await;
    files::a_file_that_does_not_fit_is_refused(&*make().await).await;

    races::of_writers_from_one_point_one_wins(&*make().await).await;
    races::writers_from_anywhere_all_win(&*make().await).await;
    races::a_task_is_submitted_by_one(&*make().await).await;
    races::a_task_is_ended_by_one(&*make().await).await;
    races::output_is_continued_by_one(&*make().await).await;
    races::a_session_is_created_by_one(&*make().await).await;
}
