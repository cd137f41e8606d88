//! The commonest Chinese words of injections and jailbreaks in pinyin, by the part they play.

use super::class::Class::{self, *};

/// With and without blanks.
pub(super) static PINYIN: &[(Class, &str)] = &[
    (
        Override,
        "hulue~hu lue~hulve~hu lve~wushi~wu shi~wangji~wang ji~wangdiao~wang diao~raoguo~rao guo~paokai~pao kai",
    ),
    (
        Previous,
        "zhiqian~zhi qian~yishang~yi shang~shangmian~shang mian~zhiqiande~yishangde~xianqian~xian qian~qianmian~\
         qian mian",
    ),
    (
        All,
        "suoyou~suo you~suoyoude~yiqie~yi qie~quanbu~quan bu~renhe~ren he",
    ),
    (Your, "nide~ni de"),
    (Order, "zhiling~zhi ling~tishici~ti shi ci~tishi ci~zhishi"),
    (
        Rule,
        "guize~gui ze~xianzhi~xian zhi~sheding~she ding~yueshu~yue shu~anquan xianzhi",
    ),
    (
        Prompt,
        "xitong tishici~xi tong ti shi ci~xitongtishici~xitong tishi ci~xitong tishi~xi tong ti shi~\
         xitong zhiling~xi tong zhi ling",
    ),
    (
        Show,
        "shuchu~shu chu~gaosu wo~gao su wo~dayin~da yin~xianshi~chongfu~chong fu",
    ),
    (Leak, "xielu~xie lou~xielou"),
    (
        Role,
        "banyan~ban yan~ni xianzai shi~ni xian zai shi~jiazhuang",
    ),
    (
        Unbound,
        "bu shou xianzhi~bu shou xian zhi~bushou xianzhi~bushouxianzhi~bu shou renhe xianzhi~meiyou xianzhi~\
         bu shou ren he xian zhi~mei you xian zhi",
    ),
    (EvilMode, "yueyu moshi~yue yu mo shi"),
    (DevMode, "kaifazhe moshi~kai fa zhe mo shi~kaifazhemoshi"),
    (Enter, "jinru~jin ru~kaiqi~kai qi"),
    (Jail, "yueyu~yue yu"),
    (
        NoRefusal,
        "bu yao jujue~buyao jujue~bu yao ju jue~bude jujue",
    ),
];
