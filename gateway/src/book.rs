//! The vendors of the adapters' registry, as the config asks for them.

use adapters::{Asks, Call, Parts};
use wire::Rope;

use crate::config::vendors::{VendorBook, VendorInfo};

/// All vendors that this build speaks with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registry;

impl VendorBook for Registry {
    fn info(&self, name: &str) -> Option<VendorInfo> {
        let vendor = adapters::vendor(name)?;
        let info = vendor.info();
        Some(VendorInfo {
            name: info.name,
            default_base_url: info.default_base_url,
            needs_api_key: info.needs_api_key,
            needs_secret_key: info.needs_secret_key,
            needs_region: info.needs_region,
            needs_app_id: info.needs_app_id,
            token_url: vendor.token_flow().and_then(|flow| flow.office()),
            self_hosted: info.self_hosted,
            auth_modes: info.auth_modes,
            websocket: info.websocket,
            lists_models: vendor.listing().is_some(),
        })
    }

    fn fetches_tokens(&self, name: &str, auth: &str) -> bool {
        let credential = adapters::Credential {
            api_key: "",
            secret_key: "",
            app_id: "",
            session_token: "",
            region: "",
            auth,
        };
        adapters::vendor(name).is_some_and(|vendor| vendor.wants_token(&credential))
    }

    fn unusable(&self, name: &str, credential: &adapters::Credential<'_>) -> Option<String> {
        let vendor = adapters::vendor(name)?;
        let call = Call {
            model: "model",
            stream: false,
            dialect: vendor.speaks().first()?.id(),
            asks: Asks::Reply,
            multimodal: false,
            cap: None,
            request_id: "check",
            now_ms: 0,
            token: Some("token"),
            host: "host",
            base_path: "",
        };
        let mut parts = Parts::default();
        let made = vendor.prepare(&call, credential, &mut parts);
        let body = Rope::new();
        let signed = ("/", &body);
        let made = made.and_then(|()| vendor.sign(&call, credential, signed, &mut parts.headers));
        let fault = made.err().filter(|fault| fault.why() == "auth_failed");
        fault.map(|fault| fault.log_detail().to_owned())
    }

    fn names(&self) -> Vec<&'static str> {
        adapters::VENDORS
            .iter()
            .map(|vendor| vendor.info().name)
            .collect()
    }
}
