//! `cn-pipl`: personal information, as the Personal Information Protection Law asks.
//!
//! Redacted before it leaves and put back in the reply. Organisations are not persons and stay; their vehicles' plates
//! lead to persons and do not.

use super::{Pack, PackRemedy, PackRule, Phase, REDACT, no_customs, no_words};

/// So many persons in one request are no longer a question about somebody but a file of people.
const MANY: u32 = 50;

pub(super) const PACK: Pack = Pack {
    name: "cn-pipl",
    about: "Personal information is redacted before it leaves and put back in the reply; whole files of people stay with cleared models.",
    rules: &[
        PackRule::new(
            "cn-pipl/sensitive",
            &[
                "CN_ID_CARD",
                "CN_ID_CARD_15",
                "CN_HMT_RESIDENCE",
                "CN_HM_PASS",
                "CN_TW_PASS",
                "CN_FPR_ID",
                "CN_PASSPORT",
                "PASSPORT_MRZ",
                "CN_MILITARY_ID",
                "CN_SOCIAL_SECURITY",
                "FINANCIAL",
                "MEDICAL",
                "US_SSN",
                "HK_ID",
                "TW_ID",
                "SG_NRIC",
                "JP_MY_NUMBER",
                "KR_RRN",
                "GPS_COORD",
            ],
            REDACT,
            Phase::Request,
        ),
        PackRule::new(
            "cn-pipl/personal",
            &[
                "PERSON_NAME",
                "DATE_OF_BIRTH",
                "STUDENT_ID",
                "EMPLOYEE_ID",
                "CONTACT",
                "CN_PLATE",
                "VIN",
                "IMEI",
                "MAC_ADDRESS",
                "IP_ADDRESS",
            ],
            REDACT,
            Phase::Request,
        ),
        PackRule {
            name: "cn-pipl/bulk",
            find: &["PERSON"],
            when: "",
            remedy: PackRemedy::Reroute,
            phase: Phase::Request,
            at_least: MANY,
        },
        PackRule::new(
            "cn-pipl/reply",
            &[
                "CN_ID_CARD",
                "CN_ID_CARD_15",
                "CN_HMT_RESIDENCE",
                "CN_FPR_ID",
                "FINANCIAL",
                "CN_MOBILE",
            ],
            REDACT,
            Phase::Reply,
        ),
    ],
    words: no_words,
    customs: no_customs,
    law: &[
        "PIPL 4",
        "PIPL 6",
        "PIPL 28",
        "PIPL 38-40",
        "PIPL 51",
        "Interim Measures 11",
        "GB/T 43697 appendix H",
    ],
};
