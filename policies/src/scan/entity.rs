//! What can be found: the closed list of built-in types, their names, groups and default grades.
//!
//! Knows no text. The names are those of policies, audit records and reports; changing one is a breaking change.

use wire::Grade;

/// The default grades, lowest first; an [`Entity`]'s grade is a position in it.
pub const GRADES: [&str; 4] = ["public", "internal", "confidential", "restricted"];

const INTERNAL: Grade = Grade(1);
const CONFIDENTIAL: Grade = Grade(2);
const RESTRICTED: Grade = Grade(3);

/// A family of types that a policy may name as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Identifies a natural person.
    Person,
    /// Reaches a person.
    Contact,
    /// Identifies an organisation or a vehicle.
    Organisation,
    /// Accounts and cards.
    Financial,
    /// Health.
    Medical,
    /// Machines, networks, places.
    Device,
    /// Keys, tokens, passwords.
    Secret,
}

impl Group {
    /// The name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Contact => "CONTACT",
            Self::Organisation => "ORGANISATION",
            Self::Financial => "FINANCIAL",
            Self::Medical => "MEDICAL",
            Self::Device => "DEVICE",
            Self::Secret => "SECRET",
        }
    }
}

macro_rules! entities {
    ($($variant:ident $name:literal $grade:ident $group:ident)*) => {
        /// A built-in type of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Entity {
            $(#[doc = $name] $variant,)*
        }

        impl Entity {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in policies, audit records and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The default grade: a position in [`GRADES`].
            #[must_use]
            pub const fn grade(self) -> Grade {
                match self { $(Self::$variant => $grade,)* }
            }

            /// The family.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* }
            }
        }
    };
}

entities! {
    CnIdCard "CN_ID_CARD" RESTRICTED Person
    CnIdCard15 "CN_ID_CARD_15" RESTRICTED Person
    CnHmtResidence "CN_HMT_RESIDENCE" RESTRICTED Person
    CnHmPass "CN_HM_PASS" RESTRICTED Person
    CnTwPass "CN_TW_PASS" RESTRICTED Person
    CnFprId "CN_FPR_ID" RESTRICTED Person
    CnPassport "CN_PASSPORT" RESTRICTED Person
    PassportMrz "PASSPORT_MRZ" RESTRICTED Person
    CnMobile "CN_MOBILE" CONFIDENTIAL Contact
    CnLandline "CN_LANDLINE" CONFIDENTIAL Contact
    PersonName "PERSON_NAME" CONFIDENTIAL Person
    Address "ADDRESS" CONFIDENTIAL Contact
    DateOfBirth "DATE_OF_BIRTH" CONFIDENTIAL Person
    CnMilitaryId "CN_MILITARY_ID" RESTRICTED Person
    CnSocialSecurity "CN_SOCIAL_SECURITY" RESTRICTED Person
    MedicalInsuranceNo "MEDICAL_INSURANCE_NO" RESTRICTED Medical
    MedicalRecordNo "MEDICAL_RECORD_NO" RESTRICTED Medical
    WechatId "WECHAT_ID" CONFIDENTIAL Contact
    QqId "QQ_ID" CONFIDENTIAL Contact
    StudentId "STUDENT_ID" CONFIDENTIAL Person
    EmployeeId "EMPLOYEE_ID" CONFIDENTIAL Person
    CnUscc "CN_USCC" INTERNAL Organisation
    CnOrgCode "CN_ORG_CODE" INTERNAL Organisation
    CnBizLicense "CN_BIZ_LICENSE" INTERNAL Organisation
    CnTaxId "CN_TAX_ID" INTERNAL Organisation
    CnPlate "CN_PLATE" CONFIDENTIAL Organisation
    Vin "VIN" CONFIDENTIAL Organisation
    BankCard "BANK_CARD" RESTRICTED Financial
    CreditCard "CREDIT_CARD" RESTRICTED Financial
    Iban "IBAN" RESTRICTED Financial
    Email "EMAIL" CONFIDENTIAL Contact
    IpAddress "IP_ADDRESS" INTERNAL Device
    MacAddress "MAC_ADDRESS" INTERNAL Device
    Imei "IMEI" CONFIDENTIAL Device
    GpsCoord "GPS_COORD" CONFIDENTIAL Device
    UrlCredential "URL_CREDENTIAL" RESTRICTED Secret
    DbUrl "DB_URL" RESTRICTED Secret
    UsSsn "US_SSN" RESTRICTED Person
    PhoneIntl "PHONE_INTL" CONFIDENTIAL Contact
    HkId "HK_ID" RESTRICTED Person
    TwId "TW_ID" RESTRICTED Person
    SgNric "SG_NRIC" RESTRICTED Person
    JpMyNumber "JP_MY_NUMBER" RESTRICTED Person
    KrRrn "KR_RRN" RESTRICTED Person
    AwsAccessKey "AWS_ACCESS_KEY" RESTRICTED Secret
    AwsSecretKey "AWS_SECRET_KEY" RESTRICTED Secret
    AliyunAccessKey "ALIYUN_ACCESS_KEY" RESTRICTED Secret
    AliyunSecretKey "ALIYUN_SECRET_KEY" RESTRICTED Secret
    TencentSecretId "TENCENT_SECRET_ID" RESTRICTED Secret
    TencentSecretKey "TENCENT_SECRET_KEY" RESTRICTED Secret
    BaiduApiKey "BAIDU_API_KEY" RESTRICTED Secret
    VolcAccessKey "VOLC_ACCESS_KEY" RESTRICTED Secret
    OpenaiApiKey "OPENAI_API_KEY" RESTRICTED Secret
    AnthropicApiKey "ANTHROPIC_API_KEY" RESTRICTED Secret
    LlmApiKey "LLM_API_KEY" RESTRICTED Secret
    GithubToken "GITHUB_TOKEN" RESTRICTED Secret
    GitlabToken "GITLAB_TOKEN" RESTRICTED Secret
    SlackToken "SLACK_TOKEN" RESTRICTED Secret
    StripeKey "STRIPE_KEY" RESTRICTED Secret
    GoogleApiKey "GOOGLE_API_KEY" RESTRICTED Secret
    Jwt "JWT" RESTRICTED Secret
    PrivateKey "PRIVATE_KEY" RESTRICTED Secret
    GenericSecret "GENERIC_SECRET" RESTRICTED Secret
}

impl Entity {
    /// The type of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|entity| entity.name() == name)
    }

    /// The types that a policy means by `name`: one type, or all of a group (`SECRET`). Empty if there is none.
    #[must_use]
    pub fn selected(name: &str) -> Vec<Self> {
        let chosen = |entity: &Self| entity.name() == name || entity.group().name() == name;
        Self::ALL.iter().copied().filter(chosen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_types_and_groups_theirs() {
        for &entity in Entity::ALL {
            assert_eq!(Entity::named(entity.name()), Some(entity));
            assert!(usize::from(entity.grade().0) < GRADES.len());
        }
        assert!(Entity::selected("SECRET").contains(&Entity::Jwt));
        assert_eq!(Entity::selected("VIN"), [Entity::Vin]);
        assert!(Entity::selected("NOTHING").is_empty());
    }
}
