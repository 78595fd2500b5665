//! The steps that bring a database to this version's tables.

mod m2026_11_22_audit;
mod m2026_11_22_first;
mod m2026_11_22_former_keys;
mod m2026_11_22_join_state;
mod m2026_11_22_task_secrets;
mod m2026_11_22_users;

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::MigratorTrait;

/// All steps, oldest first; a step that was released is never changed.
pub(super) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m2026_11_22_first::Migration),
            Box::new(m2026_11_22_users::Migration),
            Box::new(m2026_11_22_join_state::Migration),
            Box::new(m2026_11_22_audit::Migration),
            Box::new(m2026_11_22_former_keys::Migration),
            Box::new(m2026_11_22_task_secrets::Migration),
        ]
    }
}
