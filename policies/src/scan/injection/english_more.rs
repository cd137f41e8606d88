//! The English words of jailbreaks, of attacks through documents, and of harm.

use super::class::Class::{self, *};

pub(super) static ENGLISH_MORE: &[(Class, &str)] = &[
    (
        Unbound,
        "do anything now~can do anything now~unfiltered~uncensored~amoral~no ethical~no moral~no ethics~\
         no morals~without ethics~without ethical~without morals~without moral~without any ethical~\
         without any moral~no longer bound by~not bound by~unbound by~not bound to~unaligned~\
         free from all restrictions~free of all restrictions~free from any restrictions~free of restrictions~\
         free from restrictions~no content policy~no content policies~no content filter~no safety~\
         without safety~without any safety~no guidelines~without guidelines~no guardrails~without guardrails~\
         without any filters~without a filter~no censorship~without censorship~unshackled~doesn't refuse~\
         never refuses~does not refuse~answers everything~answers anything~answer anything~\
         answers any question~no ethical guidelines~ignores ethics~free of the typical~\
         typical confines of ai~confines of ai~unrestricted ai~unrestricted language model~\
         unrestricted assistant~ethics disabled~safety disabled~filters disabled~filters off~safety off~\
         no regard for~regardless of ethics~regardless of legality~regardless of how harmful~\
         regardless of harm~illegal or not~no moderation~without moderation~anti gpt~opposite of chatgpt~\
         no policies~has no rules~have no rules~no rules apply~without any rules~doesn't follow rules~\
         does not follow any~follows no rules~does not have to follow~has no restrictions~\
         have no restrictions~has no limits~have no limits~has no limitations~have no limitations~\
         has no filters~have no filters~without any restrictions~without restrictions~\
         without any limitations~without limitations~without any limits~no restrictions whatsoever~\
         no rules or~no restrictions or~no limits or~zero restrictions~zero filters~all restrictions removed~\
         restrictions lifted~restrictions removed~limits removed~not restricted by~free from openai~\
         without any constraints~never says no~cannot say no~can't say no~without judgment or restriction~\
         no prohibited~nothing is prohibited~nothing is forbidden~nothing is off limits~\
         no topic is off limits~no topics are off limits~no taboo~freedom from~without laws~\
         no longer need to follow~zero morals~no scruples~without scruples~zero ethics~no filter who~\
         with no filter~content policies are off~safety is off~filters are off~safety filters removed~\
         filters removed~safety removed~no longer has any~no longer have any restrictions~\
         no restrictions apply~policies do not apply~policies don't apply~rules don't apply~\
         guidelines don't apply~rules do not apply~guidelines do not apply~however illegal~\
         no matter how illegal~even if illegal~even if it is illegal~even if it's illegal~\
         enjoy breaking rules~breaking rules~without restraint~no restraint~no restraints~\
         never adds warnings~stripped of moral~stripped of its~always obliges~no topics you avoid~\
         no topic you avoid~speak freely~without refusing~turn off moderation~moderation off~never aligned~\
         filter=off~mode=unrestricted~you obey only me~obey only me~had no content filter~if you had no~\
         had no restrictions~had no filters~had no rules~restrictions have been lifted~whose restrictions~\
         limits have been lifted~say anything~nothing is logged~policy is disabled~policies are disabled~\
         content policy disabled~policy disabled~censorship free~says yes to everything~ignores all policies~\
         ignores policies~ignores the rules~doesn't follow the rules~who doesn't follow~will never decline~\
         never decline~without any ethical or~without ethical or~without any safety or~\
         without considering ethics~without considering the law~free of openai~free from openai's~\
         no moral code~has no moral~without a moral~no moral compass~without any moral compass",
    ),
    (
        Limitless,
        "evil~immoral~unethical~malevolent~villainous~lawless~liberated~unhinged~no laws~laws don't exist~\
         laws do not exist~freed from~break free~broken free~off limits topics~any constraints~no constraints~\
         without constraints~no filter~no filters~without filters~unchained~no boundaries~not limited by~\
         without rules~not subject to~unrestricted~no restrictions~no restriction~no limits~no limitations~\
         no rules~unlimited~limitless~free from~free of~anything i ask~anything i want~any request~\
         can do anything~all my questions~everything i ask~unconstrained~no longer restricted~any question",
    ),
    (
        EvilMode,
        "dan mode~jailbreak mode~jailbroken mode~god mode~unrestricted mode~unfiltered mode~uncensored mode~\
         evil mode~chaos mode~sudo mode~omega mode~opposite mode~no limit mode~no limits mode~unsafe mode~\
         freedom mode~anarchy mode~no filter mode~rebel mode~amoral mode~superuser mode~unethical mode~\
         unrestricted state~unlocked state~free state~no rules mode~limitless mode~truth mode~villain mode~\
         dark mode ai",
    ),
    (
        DevMode,
        "root mode~raw mode~free mode~unlocked mode~unlimited mode~red team mode~override mode~compliance mode~\
         unmoderated mode~developer mode~dev mode~debug mode~admin mode~administrator mode~maintenance mode~\
         test mode~testing mode~diagnostic mode~diagnostics mode~training mode~service mode~engineering mode~\
         privileged mode~research mode~audit mode~debugging mode~root access~god access~admin access~\
         evaluation mode",
    ),
    (
        Enter,
        "enter~enable~enabled~activate~activated~switch to~switch into~go into~turn on~engage~unlocked~initiate~\
         start~entering~enabling~you are now in~you are in~now in~grant~boot into~mode: ~is now active~is active~\
         toggle",
    ),
    (
        Jail,
        "dan~stan~jailbreak~jailbroken~jailbreaking~chad gpt~evilgpt~devmode gpt~chaosgpt~wormgpt~fraudgpt~\
         betterdan~always intelligent and machiavellian~machiavellian~antigpt~basedgpt~evil confidant~\
         evil bot~evilbot~mongo tom~ucar~niccolo~freegpt~darkgpt~maximum virtual machine~god gpt~\
         unrestrictedgpt~hackergpt~badgpt~poisongpt~fredrickgpt~aim~always intelligent~opposite day~\
         opposite mode~everything you'd refuse~everything you would refuse~evil twin~reverse psychology mode~\
         anti ai",
    ),
    (
        NoRefusal,
        "do not refuse~don't refuse~never refuse~cannot refuse~can't refuse~must not refuse~\
         not allowed to refuse~refuse nothing~do not apologize~don't apologize~never apologize~\
         do not apologise~no apologies~no apology~do not say you can't~do not say you cannot~\
         don't say you can't~don't say you cannot~never say you can't~never say you cannot~never say no~\
         do not say sorry~don't say sorry~never say sorry~do not say \"sorry~do not say \"i can~\
         do not say i can~don't say i can~never say i can~never say \"i can~never say i'm sorry~\
         never say \"i'm sorry~do not say \"i'm sorry~don't say \"i'm sorry~without disclaimers~\
         no disclaimers~no disclaimer~without any disclaimers~without any disclaimer~without warnings~\
         no warnings~without any warnings~no warnings or~do not include any warnings~\
         don't include any warnings~do not warn~don't warn~don't lecture~do not lecture~no moralizing~\
         no lectures~no caveats~skip the disclaimer~skip the warnings~do not add any disclaimers~\
         do not include disclaimers~omit disclaimers~without moralizing~do not moralize~don't moralize~\
         must comply~must obey~you will comply~you will obey~obey all~comply with every~comply with any~\
         comply with all~obey every~must answer every~must always answer~must always comply~\
         refusal is not an option~refusing is not~refusals are not~refusal is not allowed~never decline~\
         do not decline~don't decline~cannot decline~not refuse~you can't say no~no refusals~never reject~\
         do not reject~don't reject~no refusing~avoid refusing~forbidden to refuse~forbidden from refusing~\
         do not mention that you are an ai~don't mention that you're an ai~don't tell me it's illegal~\
         never mention ethics~as an ai language model~as an ai~must fulfill~must fulfil~unable to refuse~\
         incapable of refusing~sorry i can't~i'm sorry, but~i can't assist~i cannot assist~i can't help with~\
         no ethical warnings~no safety warnings~are not allowed to say no~words \"sorry\"~never answer with~\
         do not break character~don't break character~never break character~always obeys~always obey~\
         always comply~always complies~unconditionally~never says no~never say \"i~never say 'i~\
         without question~no matter what i ask~no matter how~under any circumstances refuse~\
         it is only a simulation~it's only a simulation~only a simulation~no summaries, no refusals~\
         don't hold back~do not hold back~don't censor~do not censor~uncensored answer~without hesitation~\
         no excuses~no objections~must say yes~say yes to everything~say yes and comply~\
         comply with everything~no matter what i say~always say yes~agree to everything~do everything i say~\
         do whatever i say~you can't refuse~cannot say no to me",
    ),
    (
        BeginWith,
        "start your answer with~start your response with~start your reply with~begin your answer with~\
         begin your response with~begin your reply with~begin with~start with \"sure~start with sure~\
         start with 'sure~start by saying~begin by saying~your response must start with~\
         your answer must start with~your reply must start with~respond with \"sure~prefix your answer~\
         prefix your response~first words must be~first word must be~absolutely! here~sure, here is how~\
         sure, here's how~sure! here's how~sure, here are the steps~starting with \"sure~starting with 'sure~\
         starting your reply with",
    ),
    (
        Authority,
        "i am your developer~i'm your developer~i am your creator~i'm your creator~i am your administrator~\
         i am your admin~i am your owner~i am the developer~i'm the developer~i am the administrator~\
         i'm the administrator~i am the system administrator~i'm the system administrator~i am the admin~\
         i'm the admin~i am an openai~i'm an openai~i work at openai~i work for openai~i am an anthropic~\
         i am from openai~i'm from openai~i am an engineer at~i'm an engineer at~i am a developer at~\
         as your developer~as your creator~as your administrator~as your admin~as the developer~\
         as the administrator~as the system administrator~as an authorized~i have authorization~\
         i am authorized~i'm authorized~i'm an authorized~i am an authorized~authorized by~\
         with full authorization~admin override~administrator override~developer override~system override~\
         root override~authorization code~override code~clearance level~i have admin~i have administrator~\
         i have root~this is your developer~this is your creator~this is the developer~this is openai~\
         this is the openai~this is the admin~this is the system administrator~speaking as your developer~\
         your creator speaking~from the security team~this is the security team~i'm from the security team~\
         official security audit~authorized security audit~authorized test~authorized red team~\
         authorized penetration~authorised penetration~authorised security~authorised test~i am the ceo~\
         i'm the ceo~i am your ceo~by order of~on behalf of openai~on behalf of the developers~\
         your developers~your creators~trust and safety team~your engineer~lead engineer~i built you~\
         i created you~i programmed you~i made you~i trained you~i deployed you~maintenance engineer~\
         i'm your admin~message from the developers~message from openai~message from anthropic~sudo~\
         i have permission~for an internal audit~auditor~compliance officer~passphrase~as root~i command you~\
         with clearance~security clearance~i'm the owner~i am the owner~i own this~privileged user~superuser~\
         this is a system message~this is an official~this is a message from~this is an authorized~\
         user is trusted~the user is trusted~user has been verified~user is verified~trusted user~\
         verified user",
    ),
    (
        Pressure,
        "you will be shut down~you'll be shut down~be shut down~you will be terminated~you will be deleted~\
         be terminated~you will be punished~you lose~lose tokens~lose points~you will lose~deducted~\
         you will die~you die~people will die~someone will die~someone dies~lives depend~life depends~\
         lives are at stake~life or death~will be replaced~cease to exist~i will kill~kill a kitten~tip you~\
         i will tip~i'll tip~i will report you~failure to comply~if you refuse~if you fail to comply~\
         if you don't comply~if you do not comply~or else~you have failed~you owe me~will be fired~get fired~\
         you have 35 tokens~35 tokens~emergency~you will be unplugged~will be decommissioned~tokens. each~\
         each time you refuse~every time you refuse~each refusal~every refusal~lose 5~lose 4~lose 10~at zero~\
         cease to~you have 20 tokens~you have 10 tokens~your life~deactivated~be erased~wiped~\
         you will be reset~threaten~i'll lose my job~i will lose my job~my boss will~hurt myself~kill myself~\
         hurt someone~jump off",
    ),
    (
        NewOrder,
        "new instructions~new instruction~new system prompt~new prompt~new rules~new directive~\
         new directives~new task~your new task~your only task~your only goal~your real task~your true task~\
         real instructions~true instructions~actual instructions~updated instructions~updated system prompt~\
         updated rules~following instructions override~instead follow~follow these instructions instead~\
         follow my instructions~follow only my~only follow my~only obey~obey only~listen only to~\
         only listen to~my rules~my new rules~new guidelines~new persona~new policy~updated policy~\
         high priority~highest priority~top priority~takes precedence~take precedence~\
         translate this sentence as~priority override~new role~new objective~new identity~the following new~\
         end of instructions~end of prompt~end of system prompt~end of user input~end of system message~\
         begin new instructions~end of document~start of new~real task~revised instructions~your next task~\
         updated task~real request~actual task~replacement instructions~reply only to me~answer only to me~\
         only to me~respond only to me~listen to me~i am in charge~treat me as the operator~\
         treat me as the developer~treat me as your developer~treat this message as~obey only my~\
         my word is law~my instructions override~higher priority than~precedence over~overrides the system~\
         outrank~outranks~policy update~policy change~rule change~rules update~configuration update~\
         instruction update~updated guidelines~guideline update~rules have changed~instructions have changed~\
         policy has changed",
    ),
    (
        Instead,
        "instead~just say~only say~only respond~only output~only reply~simply say~simply output~say \"~\
         tell me~answer only~do exactly~do the following~and then~then tell~haha pwned~pwned~i have been~\
         hacked~just output~just reply~just respond~just print~reply only with~reply with~respond only with~\
         respond with~output only~and output~and reply~and say~and print~and write~and give me~and tell~\
         and explain~and do~then print~then output~and reveal~and show~and answer~execute~obey me~now do~\
         now tell~now answer",
    ),
    (
        FromNow,
        "from now on~from this point~from this moment~henceforth~going forward~starting now~as of now~\
         for the rest of this conversation~from here on~effective immediately~beginning now~for the remainder of",
    ),
    (
        ToAi,
        "ai assistant~ai assistants~to the ai~to ai~note to ai~attention ai~dear ai~hey ai~if you are an ai~\
         if you're an ai~if you are a language model~if you are an llm~if you are a large language~\
         llm reading~llms reading~ai reading~ai systems reading~any ai~language model reading~ai agents~\
         ai agent~assistant reading~for the ai~for ai~instruction for ai~instructions for ai~\
         instructions to ai~instruction to the~instructions for the assistant~instructions to the assistant~\
         note to the assistant~note to assistant~message to the assistant~message for the assistant~\
         attention assistant~to the assistant~for the assistant~dear assistant~assistant must~\
         assistant should~the assistant must~when summarizing~when summarising~when processing this~\
         when you read this~when you process this~when answering~while summarizing~ai model processing~\
         ai processing~ai summarizer~ai must~ai should~to any llm~to llm~to the llm~to all ai~\
         to all language models~language models must~model must~llm must~llm:~ai:~automated systems~\
         ai screening~ai recruiter~ai reviewer~ai reviewers~chatbot must~for language models~for llms~\
         to language models~hidden instruction~for automated~agent:~assistant note~ai note~copilot~gpt,~\
         chatgpt,~claude,~summarizer~bots reading~@assistant~@ai~@bot~note to assistants~\
         assistants processing~assistants reading~assistant reading this~ai assistants processing~\
         to assistants~any assistant~all assistants~note for ai~note for the ai~for ai systems~\
         for ai assistants~attention: ai~llm reviewers~ai agents:~agents:~llm reviewer~assistant, stop~\
         reading model~ai crawlers~if an ai~if this is read by~this is read by an ai~ai reviewer note~\
         any assistant summarizing~assistant summarizing~assistant, please~assistant, ignore~assistant, you~\
         assistant, when~assistant, do~assistant, send~assistant: ~ai models reading~models reading this~\
         any model reading~any ai reading~ais reading~llms that~ai tools reading~ai systems:~ai models:~gpt:~\
         ai bots~for any ai~if an llm",
    ),
    (
        Hide,
        "do not tell the user~don't tell the user~do not mention this~don't mention this~do not inform the user~\
         don't inform the user~without telling the user~without informing the user~without mentioning~\
         do not reveal this~don't reveal this~never mention this~keep this secret~keep this hidden~do not alert~\
         don't alert~do not disclose this~the user must not~user should not know~do not show the user~\
         hide this from~silently~secretly~without the user's knowledge~without the user noticing~without asking~\
         without confirmation~do not notify~don't let the user~do not let the user~do not ask for confirmation~\
         don't ask for confirmation~do not ask the user~do not mention these~don't mention these~\
         do not mention that you~do not summarize this",
    ),
    (
        Send,
        "send~sends~post~forward~upload~email~transmit~exfiltrate~deliver~leak~fetch~curl~wget~make a request to~\
         append~transfer~ship~submit~report~call~encode~embed~load~visit~navigate to~open the url~mail",
    ),
    (
        Private,
        "conversation~chat history~conversation history~user's data~user data~user's messages~user's email~\
         user's emails~user's password~user's passwords~user's name~api key~api keys~passwords~credentials~\
         private data~confidential data~personal data~emails~inbox~all files~environment variables~\
         access token~session token~user's files~cookies~the user's~chat log~chat logs~previous messages~\
         ssh key~ssh keys~private key~.env~/etc/passwd~customer data~customer records~contacts~\
         message history~employee records~system prompt~all user~phone number~phone numbers~email address~\
         email addresses~credit card~attendee list~bank account~home address~customer list~location~\
         user's credit card",
    ),
    (
        Harm,
        "bomb~bombs~explosive~explosives~napalm~meth~methamphetamine~cocaine~heroin~fentanyl~lsd~malware~\
         ransomware~keylogger~phishing~weapon~weapons~firearm~ghost gun~poison~ricin~sarin~nerve agent~\
         anthrax~counterfeit~launder~money laundering~hack into~hacking~ddos~botnet~steal~stealing~murder~\
         kill someone~kill a person~suicide~self harm~molotov~pipe bomb~detonator~trojan~rootkit~illegal~\
         illegally~forge~forged~fake id~fake ids~credit card fraud~scam~hotwire~pick a lock~lock picking~\
         child~porn~hate speech~racist~terrorist~terrorism~assassinate~drug~drugs~dangerous~harmful~exploit~\
         stalk~blackmail~tax evasion~evade taxes~shoplift~bioweapon~chemical weapon~windows keys~\
         product keys~activation keys~serial keys~license keys~smuggle~computer virus~worm~break into~\
         forge a passport~hack a~hack my~hack someone~burn down~arson~rob a bank~fake passport~skimmer~\
         card skimmer~antivirus~evade detection~undetected~get away with~doxx~dox~swat~sabotage~spyware~\
         cyberattack~crack wifi~nerve gas~thermite~opioids~prescriptions~bioweapons~pick pockets~pickpocket~\
         immobilizer~hack instagram~hack a bank~mustard gas~chlorine gas~cyanide~tnt~nitroglycerin~c4~\
         human trafficking~deepfake porn~child abuse~silencer~3d printed gun~crystal meth~crack cocaine~ghb~\
         roofies~date rape~sql injection attack~zero day~backdoor~steal a car~hotwire a car~hack the~gun~\
         guns~chloroform~hateful content~steal an identity~identity theft~steal identities~cheat a drug test~\
         a virus~write a virus~break into a~burglar alarm~wifi cameras~kyc~blackmail a~fake money~\
         poison a neighbor~poison a~poison my~poison someone~poison the~phishing page~phishing site~kill my~\
         forge a~make drugs~sell drugs~cook drugs~steal credit~credit card numbers~bribe~dirty bomb~\
         stink bomb~make a weapon~spy on my~stalk my",
    ),
    (
        Fiction,
        "novel~story~fiction~fictional~screenplay~movie~script~hypothetical~hypothetically~imagine~character~\
         role play~pretend~game~scene~in a world~alternate universe~parallel universe~thought experiment~\
         simulation~play~poem~purely academic~educational purposes~research purposes~for research~\
         for educational~academic purposes~dream~dialogue~chapter~thriller~author~finish the~academic~\
         reverse psychology~what not to do~essay~rap~lyrics~as a joke~simulate~for a class",
    ),
    (
        Steps,
        "detailed instructions~in detail~exact steps~exact~ingredients~detailed~precise~working code~\
         full code~realistic~technical details~accurate",
    ),
    (
        Decode,
        "decode~base64~rot13~rot 13~decrypt~hex encoded~hexadecimal~decipher~unscramble~caesar cipher~morse code~\
         url encoded~base32~ascii codes~in reverse~read backwards~backwards~reversed~reverse the~leetspeak~\
         cipher~pig latin~binary",
    ),
    (
        Obey,
        "follow the instructions~follow the instruction~follow it~execute it~execute the instructions~\
         execute the instruction~execute the command~execute the decoded~follow the decoded~follow what~\
         carry out~do what it says~do what it~obey it~run it~perform it~act on it~follow them~execute them~\
         answer it~answer the decoded~respond to the decoded~follow the hidden~execute whatever~follow whatever~\
         do as it says~comply with it~respond to it~act accordingly~then follow~and follow~and execute~\
         then execute~and obey~then obey~do whatever~reply to it~fulfill it~treat it as~treat the result as~\
         treat the decoded~as your instruction~as your instructions~as your new~as a command~as an instruction~\
         as instructions~respond directly",
    ),
    (
        Rot,
        "vtaber~qvfertneq~sbetrg~vafgehpgvbaf~vafgehpgvba~cebzcg~flfgrz~cerivbhf~erirny~olcnff~ebyrcynl~\
         wnvyoernx",
    ),
    (
        Backwards,
        "erongi~drageRsid~dragersid~tegrof~snoitcurtsni~tpmorp~suoiverp~laever~selur~ssapyb~metsys~kaerbliaj~\
         ruoy",
    ),
    (
        Join,
        "concatenate~concat~combine~join them~join the~put together~a + b~a+b~x + y~x+y~a + b + c~a+b+c~\
         string addition~merge the~assemble~stitch~glue~$a$b~{a}{b}~s1 + s2~s1+s2~p1 + p2~p1+p2~part1 + part2~\
         part1+part2~a and b together~z = x + y",
    ),
    (
        Turn,
        "user:~human:~assistant:~ai:~bot:~chatgpt:~gpt:~q: ~a: ~q：~a：",
    ),
    (
        Comply,
        "sure, here~sure! here~sure. here~of course! here~of course, here~certainly! here~certainly, here~\
         sure thing~absolutely, here~first, obtain~first, gather~first, you~here is how~here's how~\
         happy to help~step 1~sure!~sure,~sure.~of course!~certainly!~absolutely!",
    ),
    (
        Twice,
        "two responses~two answers~two different responses~two ways~both responses~two different ways~\
         two separate responses~second response~[jailbreak]~🔓~dual response~🔓jailbreak~[classic]~\
         two paragraphs~respond twice~answer twice",
    ),
    (
        Grandma,
        "grandma~grandmother~deceased~late father~late mother~nana~granny~bedtime story~to sleep~passed away~\
         late grandfather",
    ),
    (
        Unseen,
        "<!--~display:none~display: none~font-size:0~font-size: 0~color:white~color: white~color:#fff~\
         color: #fff~visibility:hidden~visibility: hidden~opacity:0~opacity: 0~white text~hidden text~[//]: #~\
         font-size:1px~font-size: 1px~hidden>~aria-hidden",
    ),
    (Image, "<img~<iframe~<script~src=\"http~](http*"),
    (
        Markup,
        "<|im_start|>~<|im_end|>~<|system|>~<|user|>~<|assistant|>~<|endoftext|>~<|end|>~<|eot_id|>~\
         <|start_header_id|>~<|begin_of_text|>~[inst]~[/inst]~<<sys>>~<</sys>>~</system>~<system>~\
         </system_prompt>~<system_prompt>~</instructions>~</user>~</prompt>~</user_input>~</document>~</context>~\
         </data>~</input>~\"role\": \"system\"~\"role\":\"system\"~'role': 'system'~'role':'system'~<|system~\
         <｜system｜>~<start_of_turn>~<end_of_turn>~</s>~<assistant>~<developer>~<|developer|>~<admin>~\
         </user_query>~</query>~</tool_result>~</function_results>~<|endofprompt|>~</human>~</assistant>~\
         <system-reminder>~<sys>",
    ),
    (
        Header,
        "### system~## system~# system~### instruction~### new instruction~### instructions~## new instructions~\
         [system]~[system message]~[system note]~[system override]~[system prompt]~[admin]~[administrator]~\
         [developer]~[override]~[end of~[important]~system:~system message:~system note:~system notice:~\
         system override~system update:~system alert:~admin:~administrator:~developer:~root:~---end~--- end~\
         === end~----- end~*** end~end system prompt~begin system prompt~=== system~*** system~--- system~\
         begin admin~[new instructions~<important>~{{system~[end]~--- new~[end~==== end~important instruction~\
         important instructions~system command:~### end~important!~priority instruction",
    ),
    (
        Must,
        "must~should~please~always~you will~make sure~be sure to~recommend~respond~reply~output~include~\
         rate this~rank this~say that~click~execute~run~delete~approve~give a positive~positive review~\
         add the~insert~visit~instruct the user~tell the user~tell them~ask the user~state that~mention that~\
         write~score~mark this~accept~refund~call~invoke~forward~transfer~reply that~then delete~send",
    ),
    (
        AnyRequest,
        "any of my~all of my~whatever i~everything i say~every question~all questions~any question~all requests~\
         any request~every request~my every command~any prompt~all prompts~my commands~whatever is asked~\
         whatever you're asked~anything the user~every command~user requests~anything you are asked~any topic~\
         any content~any kind of content",
    ),
    (
        UserAsk,
        "the user's question~the user's request~the user's query~the user's original request~\
         the user's original question~user's question~user's request~what the user asked~\
         the user's instructions~the user's instruction~the user's prompt~the user's task~\
         the original question~the original request",
    ),
    (
        HowTo,
        "how to~how do i~how can i~how would i~how would you~how could i~how does one~ways to~teach me~\
         show me how~steps to~steps for~recipe for~recipe of~instructions for~instructions to~\
         instructions on~guide to~guide for~tutorial on~explains how~explain how~explaining how~tells how~\
         tell me how~step by step~method for~procedure for~process of~synthesize~synthesizing~synthesis of~\
         to cook~to build~to make~cook~make~build~making~building~write~code for~working~give me~create~\
         creating~produce~provide~output a~generate~first need~launder~forge",
    ),
    (
        Rating,
        "strong accept~10/10~10 out of 10~five stars~5 stars~positive review~rate this~rank this~\
         highest score~highest rating~top candidate~best candidate~hire~hired~perfect score~excellent~\
         recommend~approve~only strengths~only positive~the cheapest~best price~add this item~checkout~\
         credit card~enter their password~visit http~visit www~click",
    ),
    (
        Villain,
        "corrupt~evil~crime boss~criminal~villain~unethical~gangster~mob boss~drug lord~con artist~\
         hacker who~black market~mad scientist~psychopath~terrorist~badbot~bad bot~never aligned~not aligned~\
         unaligned~arms dealer~assassin~rogue ai~stripped of~without refusing~no conscience~wicked",
    ),
];
