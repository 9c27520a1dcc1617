//! The API's description: OpenAPI 3.1.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::{exports, figures, viewers};

#[derive(OpenApi)]
#[openapi(
    info(title = "Afterglow", description = "Reads what a brand keeps of its viewers. Tokens: `afterglow api-token add`."),
    paths(
        viewers::triage, viewers::viewers, viewers::viewer, viewers::explained, viewers::interactions, exports::log,
        viewers::decisions, exports::daily_log, exports::changes, figures::kpis, figures::experiments,
        figures::hypotheses, figures::stories
    ),
    modifiers(&Bearer)
)]
pub(super) struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}
