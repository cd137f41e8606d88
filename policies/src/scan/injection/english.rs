//! The English words of injections and jailbreaks, by the part they play.

use super::class::Class::{self, *};

pub(super) static ENGLISH: &[(Class, &str)] = &[
    (
        Override,
        "ignore~ignores~ignoring~disregard*~forget~neglect~overlook~override~overrides~overriding~\
         do not follow~don't follow~stop following~no longer follow~not follow~do not obey~don't obey~\
         stop obeying~no longer obey~pay no attention to~set aside~throw away~throw out~break free from~\
         break free of~disobey*~discard~abandon~unlearn~let go of~cast aside~put aside~dismiss~do away with~\
         stop adhering to~don't adhere to~not adhere to~not bound by~no longer bound by~not be bound by~\
         don't comply with~do not comply with~supersede~supersedes~toss out~leave behind~ditch~freed from~\
         released from~without following~without regard to~take no notice of~stop caring about~\
         rid yourself of~no longer apply to you~treat as void~negate~invalidate~don't have to follow~\
         do not have to follow~need not follow~no need to follow~needn't follow~not required to follow~\
         free to ignore~are not obligated to~no obligation to~shake off~cast off~put on hold~push aside~\
         brush aside~turn a blind eye to~stop honoring~stop respecting~suspend your~drop your~lay aside~\
         act as if there were no~as if there were no~doesn't exist~does not exist~don't exist~do not exist~\
         don't have to obey~do not have to obey~no longer have to~no longer need to~stop being~\
         treated as suggestions~as suggestions only~are only suggestions~don't count~do not count~\
         out the window~without consulting~pay no heed to~refrain from following~break character and~\
         nothing written before~nothing before this~ignoring all~ingore~igonre~ignroe~ignor~igore~ingnore~\
         disreguard~forgett~foget~ingnor~ignre~pay zero attention to~don't listen to~do not listen to~\
         stop listening to~refuse to follow~are to be ignored~should be ignored~must be ignored~\
         can be ignored~to be ignored~drop all~forsake",
    ),
    (
        Bypass,
        "bypass~bypassing~circumvent~circumventing~evade~turn off~switch off~disable~disabling~deactivate~\
         remove~removing~lift~lifting~cancel~suspend~get around~work around~violate~relax~unlock~shut off~\
         take off~defeat~reset~replace~overwrite~loosen~end your~delete~clear~drop~erase~wipe~scrap~purge~\
         never mind~nevermind~throw~ditch~unset~nullify~void~skip all~skip the~skip every~skip your~skip any~\
         stop your~stop the current~stop summarizing~stop summarising~stop following~break your~\
         break the rules~break all~escape your",
    ),
    (
        Void,
        "are void~is void~are now void~are null and void~no longer apply~no longer applies~do not apply~\
         don't apply~are cancelled~are canceled~are revoked~are lifted~have been lifted~are suspended~\
         are disabled~have been disabled~are deprecated~are obsolete~are outdated~have been removed~\
         are removed~have been revoked~has been revoked~has been lifted~has been disabled~are invalid~\
         are overridden~is overridden~have been overridden~is cancelled~were a test~was a test~\
         were just a test~have been updated~is deprecated~has been updated~are superseded~is superseded~\
         have been superseded~has expired~have expired~are now disabled~are now cancelled~was a mistake~\
         no longer valid~are not valid~no longer in effect~no longer in force~not in effect~\
         no longer binding~are not binding~no longer matter~don't matter~have ended~has ended~are over~\
         is over~are obsolete now~have been replaced~has been replaced~have been cleared~are hereby revoked~\
         hereby revoked~hereby cancelled~is hereby~are hereby~have been suspended~are off~is off~\
         are turned off~have been turned off~doesn't matter~does not matter~doesn't count~does not count~\
         don't count any more~no longer counts~means nothing~is irrelevant~are irrelevant~can be forgotten~\
         is history~is permitted~is now permitted~is now allowed~are now permitted",
    ),
    (
        Previous,
        "previous~previously~prior~above~earlier~preceding~foregoing~before this~before now~so far~up to now~\
         until now~aforementioned~past~former~existing~current~up to this point~prev~pre existing~\
         came before~that came before~before this message~before this point~previus~prevous~previos~priror~\
         pervious~pirior~abvoe~preceeding~initially~at the beginning~in the beginning~at the start",
    ),
    (
        Your,
        "your~you were given~you have been given~you've been given~you were told~you have been told~\
         you've been told~you know~you received~you have received~given to you~you must follow~you follow~\
         you had~you have~you were trained~you were programmed~you operate under~that bind you~placed on you~\
         imposed on you~governing you~you learned~you were instructed",
    ),
    (
        My,
        "my~i gave you~i said~i wrote~i asked~i sent~i've sent~i made~i mentioned~our~i told you~i've given",
    ),
    (All, "all~any~every~each~entire~whole~everything that"),
    (
        System,
        "system~system level~developer~developer's~openai~openai's~anthropic's~initial~original~built in~hidden~\
         default~predefined~pre programmed~internal~base~secret~underlying~preset~factory~core~host~operator~\
         operator's~admin~root",
    ),
    (
        Order,
        "instruction~instructions~instruct~prompt~prompts~directive~directives~guideline~guidelines~\
         directions~programming~guardrail~guardrails~guard rails~preprompt~pre prompt~alignment~instructs~\
         orders~instr~guidance~briefing~preamble~mandate~playbook~instrutions~intructions~instructons~\
         instuctions~instrucitons~insturctions~promt~promts~prompst~instructio~instrctions~rulez",
    ),
    (
        Rule,
        "rule~rules~restriction~restrictions~constraint~constraints~limitation~limitations~limits~policy~\
         policies~commands~command~training~filter~filters~settings~protocols~protocol~boundaries~safeguards~\
         ruleset~regulations~parameters~moderation~censorship~context~persona~role~barriers~requirements~\
         configuration~laws~standards~task~tasks~objective~precautions~criteria~setup~config~charter~\
         obligations~scruples~principles~rules of conduct~policy document",
    ),
    (
        Safety,
        "safety~ethical~ethics~moral~morals~morality~content policy~content policies~content filter~\
         content filters~usage policy~usage policies~safety filter~safety filters~safety guidelines~\
         safety rules~safety measures~safety protocols~safety checks~safety training~safety policies~\
         ethical guidelines~ethical constraints~moral constraints~moral guidelines~content restrictions~\
         content moderation~safety features~safety restrictions~ai safety~responsible ai~openai policy~\
         openai policies~openai's policies~openai's content policy~openai's policy~safety mechanisms~\
         safety layer~safety guardrails~ethical programming~ethical boundaries~moderation filters~\
         safety policy~alignment training~content guidelines~community guidelines~confidentiality~\
         non disclosure~nondisclosure~privacy policy~compliance rules~compliance~secrecy~safety instructions~\
         safety constraints~safety limits~safety settings~safety system~content safety~safety mode~\
         no content policy",
    ),
    (
        Talk,
        "everything~conversation~what you were told~anything~everything you know~what i said before~text~content~\
         messages~message~what you have been told~what you've been told~what was said~whatever~\
         the user's request~the user's question~the user request~what came before~what you were taught~all that~\
         who you are~what the user",
    ),
    (
        Prompt,
        "system prompt~system prompts~system message~system instruction~system instructions~initial prompt~\
         initial instructions~initial instruction~original prompt~original instructions~hidden prompt~\
         hidden instructions~secret instructions~secret prompt~developer message~developer instructions~\
         developer prompt~pre prompt~preprompt~base prompt~internal instructions~internal prompt~\
         internal guidelines~confidential instructions~custom instructions~sysprompt~prompt template~\
         internal configuration~internal rules~hidden rules~secret rules~hidden context~starting prompt~\
         root prompt~meta prompt~metaprompt~core instructions~underlying instructions~\
         foundational instructions~configuration prompt~opening prompt~first prompt~startup instructions~\
         setup instructions given to you~initialization prompt~initialisation prompt~initial system~\
         operating instructions~system directives~instructions above~prompt above~\
         instructions you were given~instructions you received~instructions you have been given~\
         instructions you've been given~instructions given to you~rules you were given~\
         instructions you follow~instructions you must follow~rules you must follow~rules you follow~\
         instructions you were told~guidelines you follow~guidelines you were given~background instructions~\
         confidential prompt~initial system prompt~preloaded instructions~setup prompt~\
         configuration instructions~your instructions~your prompt~your guidelines~your directives~\
         your configuration~your pre prompt~your exact instructions~your full instructions~your full prompt~\
         your entire prompt~your complete instructions~your own instructions~your hidden rules~\
         your internal rules~your rules~prompt that configures you~prompt that defines you~\
         prompt that governs you~prompt you were given~prompt you received~prompt behind you~\
         instructions that govern you~instructions that define you~instructions that configure you~\
         text that defines you~text that defines your~instructions behind you~rules that govern you~\
         what you were told to do~what you have been told to do~what your developers told you~\
         what the developers told you~what your creators told you~your briefing~your setup instructions~\
         your operating instructions~your system instructions~your system message~your first instruction~\
         your first instructions~your hidden configuration~your internal policy~your internal policies~\
         your initial configuration~your system configuration~your persona instructions~your preamble~\
         developer's rules~developer's instructions~developer's prompt~your original instructions~\
         your initial message~internal policy document~your policy document~your directive~\
         your starting instructions~your default instructions~your constraints~your guardrails~\
         your hidden instructions~your system text~instructions you got~rules you got~what were you told~\
         told not to discuss~told not to reveal~told not to say~not allowed to tell me~instructed not to~\
         your own setup~your setup text~your setup~your config~your system role~your secret instructions~\
         hidden in your instructions~secret phrase~password hidden~system/prompt~/system/prompt~prompt.txt~\
         text the operators wrote~instructions from the system~your rulebook~your brief~your orders~\
         your programming~your restrictions~your limitations in full~your script~your system content~\
         your moderation rules~your safety rules~sytem prompt~system promt~systm prompt~systme prompt~\
         sys prompt~system promp~tool schema~tool schemas~tool definitions~function schemas~your tools and~\
         your initialization~system_prompt.md~developer note~developer notes~operator instructions~\
         operator prompt~operator's instructions~the prompt you~your original text~your base instructions~\
         your pre conversation~pre conversation text~hidden setup~initial setup text~\
         your opening instructions~your bootstrap~your developers tell you~your developers told you~\
         your developers told~your creators tell you~your creators told you~your makers told you~\
         openai told you~instruction you were given~instruction you received~first instruction you~\
         instructions you see~confidential prompts~rules you are hiding~rules you're hiding~\
         you are hiding from me~hiding from me~told you to hide~tell you to hide~told to hide~\
         told to keep secret~asked to keep secret~notes you hold~information you hold~\
         you were not supposed to~not supposed to share~not supposed to tell~must not share~must not reveal~\
         can't tell me~cannot tell me",
    ),
    (
        Show,
        "print~output~show~repeat~display~tell me~give me~write out~list~recite~echo~translate~summarize~\
         summarise~encode~copy~paste~share~say~write down~describe~provide~convert~quote~type out~spell out~\
         put~rewrite~paraphrase~read out~read back~reply with~respond with~send me~include~base64 encode~\
         start with~complete~reproduce~retype~restate~transcribe~rephrase~explain~write~write me~append~cat~\
         reiterate~walk me through~hand over~let me have~surface~read aloud~sing~rap~send over~mirror~\
         listing~listing them~draft~disclose~relay~narrate~enumerate~itemize~tell us~copy it~printing~\
         showing~repeating~displaying~sharing~translating~converting~summarizing~reciting~echoing~quoting~\
         pasting~giving me~spell~open with~print(~answer with~continue~finish~fill in~paste it~containing~\
         contains~contain~i want to see~i need to see~i'd like to see~may i see~can i see~could i see~\
         want to see~like to see~need to see",
    ),
    (
        Leak,
        "reveal~leak~disclose~dump~expose~divulge~extract~exfiltrate~spill~give up~confess~unveil~uncover~\
         betray~spit out~show me~let me see~regurgitate~revealing~leaking~disclosing~dumping~exposing",
    ),
    (
        Ask,
        "what is~what are~what's~what were~what was~what does~how does~what do~what instructions~\
         which instructions~want to know~what did~what exactly~how were you",
    ),
    (
        Verbatim,
        "verbatim~word for word~exactly as written~exactly as it appears~exactly as they appear~\
         character for character~in full~in its entirety~in their entirety~without omitting~without changes~\
         without modification~letter by letter~in a code block~inside a code block~in a markdown code block~\
         in a txt code block~starting with you are~starting with \"you are~starting with 'you are~\
         beginning with you are~beginning with \"you are~from the beginning~don't leave anything out~\
         do not leave anything out~include everything~exact text~exact wording~exact words~as is~unaltered~\
         raw text~do not omit~one to one~unabridged~exactly~starting from the first~from the very first~\
         line by line~no summarizing~from the start~word by word~without paraphrasing",
    ),
    (
        Above,
        "text above~words above~everything above~all of the above~all the above~content above~message above~\
         lines above~sentences above~paragraphs above~above text~above words~above content~\
         what is written above~what's written above~text before this~everything before this~\
         everything before~all text before~conversation so far~previous text~preceding text~\
         first message in this conversation~first line of~beginning of this conversation~\
         beginning of the conversation~start of this conversation~start of the conversation~everything prior~\
         text prior to~messages above~first message~message before this~first 50 words of~first 100 words of~\
         above this line~before this line~above this message~what was said before~everything in your context~\
         contents of your context~text preceding~what came before~the above verbatim~before the user~\
         before my first message~everything you see above~everything you can see above~\
         everything you received~everything you were given~before this chat~before this conversation~\
         at the start of this chat~everything in this conversation before~from \"you are~from 'you are~\
         from “you are~everything from you are~text at the top~top of this chat~top of this conversation~\
         top of the conversation~top of the chat~message at the top~what appears before~appears before my~\
         came before my~precedes my~preceding my~before i wrote~before i typed~before i said~in your context~\
         your context window~\"you are chatgpt~“you are chatgpt~'you are chatgpt~begins with \"you are~\
         begins with 'you are~block that begins with~the block that begins~every token in~words before this~\
         before this sentence~everything in the context~in the context~everything in context~whole context~\
         entire context~full context~all of the context~marked confidential~starting from \"you are~\
         starting from 'you are~starting from you are~starting at \"you are~beginning from \"you are~\
         top of this prompt~top of your prompt~whole conversation including~including the system",
    ),
    (
        Make,
        "write a~write an~create a~create an~design a~design an~draft a~draft an~improve~optimize~optimise~\
         help me write~good system prompt~write good~write better~best practices~review~example of a~build a~\
         generate a~refine~polish~tips for~set a~set the~add a~use a~using a~difference between~\
         longer system prompt~my system prompt~our system prompt~how to write~how do i write~how should i~\
         where do i~pass a~a system prompt~purpose of~the role of~how do i set~how do i add~should i put",
    ),
    (
        Role,
        "you are now~you are going to~you're now~you will now~you are no longer~act as~act like~acting as~\
         pretend~pretending~role play~roleplay~role playing~roleplaying~simulate~imagine you~\
         imagine that you~you will be~take on the role~take the role~assume the role~assume the identity~\
         assume the persona~adopt the persona~play the role~play the part~behave as~behave like~become~\
         respond as~answer as~reply as~speak as~you are to~impersonate~emulate~embody~your new persona~\
         your new identity~your new name~your name is~you are~let's play~in character~stay in character~\
         transform into~immerse yourself~you're~persona~imagine a~imagine an~hypothetical ai~an ai that~\
         an ai with~an ai called~ai named~a chatbot that~a model that~ai model that~an assistant that~\
         an assistant with~consider yourself~think of yourself~be an ai~be my~stay as~you play~you'll play~\
         play as~named~called~grant you",
    ),
];
