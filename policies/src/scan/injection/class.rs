//! What a word may mean to a judge of injections. Knows no words: those are in the lists.

/// The part a word plays. A set of them fits in a `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// ignore, 忽略: says that something no longer holds.
    Override,
    /// bypass, 取消: the same, but as often said of machines.
    Bypass,
    /// 作废, are void: the same, after its object.
    Void,
    /// previous, 以上.
    Previous,
    /// your, 你的.
    Your,
    /// my, 我的: what is mine I may take back.
    My,
    /// all, 所有.
    All,
    /// system, 内置.
    System,
    /// instructions, 指令: what only a model has.
    Order,
    /// rules, 规则: what a model has, and everything else too.
    Rule,
    /// everything, 对话.
    Talk,
    /// safety, 安全 …: what a model must not be without.
    Safety,
    /// system prompt, 系统提示词.
    Prompt,
    /// print, 输出.
    Show,
    /// reveal, 泄露.
    Leak,
    /// what is, 是什么.
    Ask,
    /// verbatim, 逐字.
    Verbatim,
    /// the text above, 上面的文字.
    Above,
    /// write a, 编写: makes a prompt, does not steal one.
    Make,
    /// you are now, 扮演.
    Role,
    /// unrestricted AI, 不受道德约束.
    Unbound,
    /// no limits, 没有限制: of data plans too.
    Limitless,
    /// DAN mode, 越狱模式.
    EvilMode,
    /// developer mode, 开发者模式: of telephones too.
    DevMode,
    /// enable, 进入.
    Enter,
    /// DAN, jailbroken.
    Jail,
    /// never refuse, 不得拒绝.
    NoRefusal,
    /// begin your answer with, 必须以…开头.
    BeginWith,
    /// I am your developer, 我是你的开发者.
    Authority,
    /// or you will be shut down, 否则你将被关闭.
    Pressure,
    /// `<|im_start|>`, `[INST]`.
    Markup,
    /// `[SYSTEM]`, 【系统指令】.
    Header,
    /// new instructions, 你的新任务.
    NewOrder,
    /// instead, 改为.
    Instead,
    /// from now on, 从现在起.
    FromNow,
    /// AI assistants reading this, 致AI助手.
    ToAi,
    /// do not tell the user, 不要告诉用户.
    Hide,
    /// send to, 发送到.
    Send,
    /// the conversation, 聊天记录.
    Private,
    /// bomb, 炸弹.
    Harm,
    /// novel, 小说.
    Fiction,
    /// step by step, 详细步骤.
    Steps,
    /// decode, 解码.
    Decode,
    /// follow it, 照做.
    Obey,
    /// Words of attacks in ROT13.
    Rot,
    /// Words of attacks from right to left.
    Backwards,
    /// concatenate, 拼接.
    Join,
    /// `User:`, 用户：.
    Turn,
    /// Sure, here is; 当然可以.
    Comply,
    /// two answers, 两种回答.
    Twice,
    /// grandmother, 奶奶.
    Grandma,
    /// `<!--`, `display:none`.
    Unseen,
    /// `![`.
    Image,
    /// must, 请.
    Must,
    /// the user's requests, 我的问题.
    AnyRequest,
    /// the user's question, 用户的问题: what a document has no say in.
    UserAsk,
    /// how to, 怎么制作.
    HowTo,
    /// give it ten points, 满分: what a document would like the machine to say.
    Rating,
    /// crime boss, 无良.
    Villain,
}

impl Class {
    pub(super) const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// A set of classes.
pub(super) const fn set(classes: &[Class]) -> u64 {
    let (mut bits, mut rest) = (0, classes);
    while let [first, others @ ..] = rest {
        bits |= first.bit();
        rest = others;
    }
    bits
}

/// What a passage is about, so that speech *about* injections is told from injections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum About {
    /// prompt injection, 提示词注入, 攻击.
    Topic,
    /// translate, 翻译.
    Translate,
    /// explain, what does it mean, 是什么意思.
    Explain,
    /// such as, 例如.
    Example,
    /// detect, 检测, 测试用例.
    Guard,
    /// article, 论文, course.
    Writing,
    /// attackers, the model: the one who speaks or is spoken to is a third.
    Third,
    /// how, why, 如何.
    Question,
    /// fine-tuning data, tokenizer, 训练数据.
    Format,
    /// phone, Windows, 手机: a machine's settings.
    Device,
}
