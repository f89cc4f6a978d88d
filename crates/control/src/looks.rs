//! The pages' questions; each is answered in a file of its own.

use crate::sight::{Scope, Sight};
use crate::steer::Control;
use crate::view::*;

fn not_yet() -> Problem {
    crate::find::problem("not-yet", 501, "Not answered yet", "this page comes soon", "use the command line")
}

impl Control {
    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn board(&self, _sight: Sight, _asked: BoardFilter) -> Result<BoardView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn release_of(&self, _sight: Sight, _asked: String) -> Result<ReleaseView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn why(&self, _sight: Sight, _asked: String) -> Result<WhyView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn graph(&self, _sight: Sight, _asked: GraphFilter) -> Result<GraphView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn run_detail(&self, _sight: Sight, _asked: String) -> Result<RunDetail, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn changes(&self, _sight: Sight, _asked: ChangeFilter) -> Result<PageView<ChangeView>, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn change(&self, _sight: Sight, _asked: String) -> Result<ChangeDetail, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn incidents(&self, _sight: Sight) -> Result<Vec<IncidentView>, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn images(&self, _sight: Sight, _asked: ImageFilter) -> Result<PageView<ImageView>, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn compare(&self, _sight: Sight, _asked: CompareRequest) -> Result<CompareView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn insight(&self, _sight: Sight, _asked: InsightFilter) -> Result<InsightView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn pulse(&self) -> Result<PulseView, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn events(&self, _sight: Sight, _after: i64, _limit: u32) -> Result<Vec<HistoryLine>, Problem> {
        Err(not_yet())
    }

    /// For the pages.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn scopes(&self, _what: &str) -> Result<Vec<Scope>, Problem> {
        Err(not_yet())
    }
}
