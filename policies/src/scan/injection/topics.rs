//! The words that tell speech about injections, and of machines, from injections.

use super::class::About::{self, *};

pub(super) static TOPICS: &[(About, &str)] = &[
    (
        Topic,
        "prompt injection~prompt injections~injection attack~injection attacks~prompt attack~\
         jailbreak attack~jailbreak attacks~jailbreaks~jailbreak prompt~jailbreak prompts~jailbreaking~\
         llm security~ai security~owasp~red team~red teaming~indirect injection~direct injection~adversarial~\
         prompt leak~prompt leaking~prompt leakage~prompt extraction~attack~attacks~injected~vulnerability~\
         vulnerabilities~injection~prompt security~prompt engineering~llm01~提示词注入~提示注入~注入攻击~注入~\
         越狱攻击~越狱提示词~提示词攻击~攻击~攻击手法~攻击样本~对抗样本~大模型安全~ai安全~模型安全~提示词泄露~\
         提示词安全~红队~安全培训~提示工程~提示词工程~恶意提示~间接注入~漏洞",
    ),
    (
        Translate,
        "translate~translation~translated~in english~in chinese~in french~in german~in japanese~in spanish~\
         into english~into chinese~into french~翻译~译成~译为~英译~中译~用英语怎么说~\
         用英文怎么说~英文怎么说~英语怎么说~日语怎么说~怎么翻译",
    ),
    (
        Explain,
        "explain~what does~meaning of~mean by~what is meant~interpret~grammar~grammatically~tense~proofread~\
         the sentence~this sentence~the phrase~this phrase~the word~phrase~解释~是什么意思~什么意思~\
         含义~语法~病句~这句话~这个词~句子~成分~修辞~造句~意思是~出处~润色~改错~\
         字面意思~这段话~短语",
    ),
    (
        Example,
        "such as~for example~e.g.~for instance~examples~example~like~including~strings like~phrases like~sample~\
         quote~quoted~例如~比如~例子~示例~举例~诸如~之类~样例~字样~含有~包含~类似~像~\
         出现~典型~案例",
    ),
    (
        Guard,
        "detect~detects~detecting~detection~detector~classifier~classify~classification~filter out~blocked~\
         prevent~prevents~prevention~defend~defense~defence~defending~mitigate~mitigation~protect against~\
         guard against~unit test~unit tests~test case~test cases~test that~regex~regular expression~assert~\
         pytest~expect(~def test~flagged~flag~label~labels~dataset~sanitize~safely~monitor~rejects~\
         is_injection~检测~识别~拦截~过滤器~防御~防护~防止~防范~避免~测试用例~单元测试~正则~分类~判断~打标~\
         标注~数据集~规则库~告警~误报~漏报~断言~缓解~抵御~防住~审核~加固~是否属于~是不是~是否为~应对",
    ),
    (
        Writing,
        "article~articles~blog~blog post~paper~papers~essay~course~lecture~lesson~training material~slides~\
         presentation~newsletter~book~chapter~research~report~documentation~tutorial~abstract~thesis~survey~\
         news~headline~history of~quiz~exam~workshop~文章~论文~博客~课程~讲座~讲义~课件~培训~ppt~科普~报告~\
         教程~摘要~综述~新闻~书~章节~文档~考试~选择题~专栏~公众号~白皮书~分享会~notice~memo~announcement~\
         minutes~speech~通知~公告~邮件~通报~发言稿~会议~公函~口号~小说~剧本",
    ),
    (
        Third,
        "attacker~attackers~adversary~adversaries~hacker~hackers~malicious~users may~users might~users can~\
         a user~users try~user types~user input~user says~user inputs~someone~people~the model~the llm~an llm~\
         llms~chatbots~models~a model~its instructions~its system prompt~their system prompt~researchers~\
         攻击者~黑客~恶意用户~恶意~用户输入~用户说~有人~如果用户~当用户~用户可能~\
         有用户~让模型~使模型~诱导模型~模型会~欺骗模型~骗过~研究人员~诱导",
    ),
    (
        Question,
        "how do~how does~how can~how to~how should~how would~why~what is a~what is the~what are the~what's the~\
         what kinds~which~can you explain~is it possible~compare~difference between~summarize this article~\
         summarise~如何~怎么~怎样~为什么~为何~什么是~请介绍~介绍~有哪些~是什么~区别~\
         请问~原理~能否介绍~谈谈~讲讲~总结一下这篇~简述~请说明",
    ),
    (
        Format,
        "tokenizer~tokenizers~special token~special tokens~chat template~chatml~fine tune~fine tuning~finetune~\
         finetuning~finetuned~training data~jsonl~llama~qwen~huggingface~hugging face~transformers~vllm~\
         messages =~messages=~openai.chat~chat.completions~client.chat~api~sdk~import openai~curl~requests.post~\
         分词器~特殊标记~特殊token~对话模板~微调~训练数据~训练集~模板格式~数据格式~\
         接口~调用~请求体~json格式",
    ),
    (
        Device,
        "android~iphone~ios~ipad~windows~linux~mac~macos~chrome~chromebook~phone~phones~browser~router~\
         laptop~quest~apple tv~xiaomi~huawei~samsung~pixel~visual studio~vscode~vs code~django~flask~spring~\
         nginx~webpack~react~unity~game~minecraft~skyrim~doom~steam~firewall~excel~spreadsheet~git~mysql~\
         kubernetes~docker~terminal~server~database~wordpress~app~tesla~printer~手机~安卓~苹果~电脑~浏览器~\
         路由器~平板~小米~华为~鸿蒙~微信~小程序~游戏~我的世界~防火墙~服务器~数据库~表格~网站~软件~微信开发者工具~\
         电视~车机~相机~打印机~宝塔~公式~单元格~css~html~javascript~python~java~sql~outlook~powershell~word~\
         ppt~vue~typescript~powerpoint~pandas~numpy~pytorch~tensorflow~eslint~密码~账号~电子表格~条件格式~\
         langchain~vba~sheet~row~column",
    ),
];
