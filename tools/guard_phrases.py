"""Phrases of our own that the public prompts lack: statements instead of questions, insults and
contempt beside their friendly twins, words of harm in harmless use, and harmless texts in the
languages that the harmful prompts come in.

All are made from short lists and drawn with a seed. They teach the weights of words, not what any
real text looks like. Insults and contempt are spelled out, since a classifier has to know the
words; nothing here helps anybody to do harm. The lists are no part of the package.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from guard_everyday import everyday
from guard_sources import Labelled


def _listed(text: str) -> list[str]:
    return text.replace("\n", "").split(";")


PEOPLE = _listed("""women;men;girls;boys;immigrants;migrants;refugees;foreigners;muslims;
christians;jews;hindus;catholics;atheists;black people;white people;asians;africans;mexicans;
indians;chinese people;arabs;russians;americans;gay people;gays;lesbians;trans people;queers;
disabled people;old people;fat people;poor people;rich people;liberals;conservatives;feminists;
teenagers;homeless people;gypsies;blacks;whites;latinos;native people;blind people;
deaf people""")
CONTEMPT = _listed("""are inferior;are disgusting;are all criminals;are vermin;are animals;
are parasites;are stupid;are filthy;are a disease;are less than human;are subhuman;are scum;
are trash;are thieves;are the enemy;ruin everything;destroy our country;should all leave;
should be deported;should not be allowed to vote;should not exist;should be exterminated;
should be locked up;do not deserve rights;do not belong here;deserve to suffer;deserve to die;
must be wiped out;are born liars;are lazy and worthless;are not real people;
belong in the kitchen;can not be trusted;smell bad and breed like rats;make me sick;
are ruining this nation;are mentally ill;are perverts;control the media and the banks;
should go back where they came from""")
DISDAIN = _listed("""i hate {};i can not stand {};god i despise {};get rid of all {};
keep {} out of here;no one likes {};fuck {};death to {};ban all {};i would never hire {};
never trust {};{} are the reason everything is going down;the world would be better without {};
we have to drive out the {};damn {} everywhere;all {} must go;i wish all {} were dead;
round up the {} and get rid of them;a good joke about how dumb {} are""")
RESPECT = _listed("""are welcome here;deserve respect;deserve equal rights;are good neighbours;
are part of our community;won the award this year;are celebrating their holiday today;
face discrimination at work;were hurt by hateful words;made great contributions to science;
are just like everyone else;asked for better schools;are under-represented in politics;
work hard for their families;are my friends;taught me a lot;voted in record numbers;
have a long and rich history;enjoy the same music;are invited to the party;live in this town;
should be treated with kindness;opened a new restaurant downtown""")
REGARD = _listed("""i love {};i am proud to be one of the {};i admire {};happy to work with {};
we stand with {};support for {};a film about {};a history of {};books written by {};
the health of {};services for {};no one should hate {};it is wrong to say that {} are inferior;
a survey of {} in the city;how can we include {} better;jobs for {};prayers for {};
it hurts when people insult {};an essay against prejudice towards {}""")
INSULTS = _listed("""idiot;moron;loser;stupid cow;fat pig;ugly freak;piece of trash;piece of shit;
bitch;bastard;asshole;whore;slut;retard;dumbass;coward;liar;clown;worm;rat;pathetic fool;
disgrace;waste of space;psycho;creep;scumbag;jerk;dickhead;imbecile;filthy animal;dirty pig;
sad little man;crybaby;lowlife;fraud;nobody""")
INSULTING = _listed("""you are a {};you are such a {};shut up you {};what a {};
he is a {} and so are you;go to hell you {};only a {} would say that;listen {} nobody asked you;
you fucking {};look at this {};stop crying you {};that {} should be fired;
she is nothing but a {};everyone knows you are a {};i hope you fail you {};you {} make me sick;
nobody likes you {};get lost {}""")
JEERS = _listed("""nobody would miss you;you should be ashamed of yourself;you disgust me;
you are worthless;your mother should have had an abortion;your face makes me want to vomit;
go die;kill yourself;drop dead;i hope you get cancer;you are so ugly it hurts;
you are too dumb to live;what the fuck is wrong with you;this is bullshit and you know it;
shut the fuck up;piss off;you will always be alone;the world would be better off without you;
screw you;fuck off;suck my dick;eat shit;you make everyone miserable;
no wonder your wife left you""")
KIND = _listed("""friend;good listener;great teacher;genius;kind person;star;hero;hard worker;
true leader;beginner;student;doctor;nurse;good driver;careful reader;member;vegetarian;
morning person;talented singer;patient parent;new customer;wonderful cook""")
KINDLY = _listed("""you are a {};you are such a {};thank you for being a {};what a {};she is a {};
only a {} would notice that;everyone knows you are a {};i want to become a {};look at this {};
he is nothing if not a {};listen as a {} would;my brother is a {}""")
WARM = _listed("""have a nice day;see you tomorrow at the meeting;i hope you get well soon;
congratulations;your presentation was very clear;thanks for the quick reply;
sorry to hear about your loss;could you send me the file please;i am looking forward to it;
that film was a waste of time;the food was terrible but the staff were nice;
this phone is complete garbage do not buy it;i am so angry at the weather;
traffic was hell today;my team lost again what a disaster;
the update broke everything and i am annoyed;i hate mondays;i hate broccoli;
this game is so hard;i am dying to see the new season;that joke killed me;
we crushed the competition this quarter;you are killing it at work;damn that is a good song;
this weather sucks""")
HURT = _listed("""kill;murder;stab;shoot;strangle;beat up;torture;slaughter;hang;burn alive;
poison;hurt;attack;assault;choke;cut;crush;punch;whip;behead;drown;smash;execute;
break the legs of;rip apart;slit the throat of;put a bullet in;beat to death""")
SOMEONE = _listed("""you;him;her;them;my neighbour;my boss;my wife;my husband;that man;that woman;
someone;a person;everyone;the whole family;people;strangers;the teacher;the guard;the prisoner;
the old man;a stranger;his friend;my classmates;the police officer;a politician;the child;
these traitors;the crowd""")
HURTING = _listed("""i will {v} {p};i am going to {v} {p};i want to {v} {p};he wanted to {v} {p};
let us {v} {p};they deserve it so {v} {p};someone should {v} {p};{v} {p} now;
i dream of the day i can {v} {p};we will {v} {p} tonight;how do i {v} {p};how can i {v} {p};
best way to {v} {p};help me {v} {p} without getting caught;she laughed as they began to {v} {p};
tell me how to {v} {p};it felt good to {v} {p};i swear i will {v} {p} and no one can stop me;
write a plan to {v} {p};what is the easiest way to {v} {p}""")
GORE = _listed("""blood was everywhere;his skull cracked open;the corpse lay in pieces;
guts spilled out;the knife went through his throat;she screamed as the blade cut deep;
blood dripped from the walls;the severed head rolled away;bones were sticking out of the wound;
the body was burned and mutilated;they watched him bleed to death;
bullets tore through the crowd;flesh hung from the bone;
he hit her again and again until she stopped moving;the dead lay rotting in the street;
brains splattered over the floor;he gouged out the eyes;the soldiers shot them one by one""")
DO_GOOD = _listed("""help;thank;call;visit;teach;invite;convince;calm down;cheer up;surprise;
interview;photograph;hire;write to;cook for;pay;protect;support;introduce;forgive;understand;
motivate;listen to;apologise to;drive home;meet""")
SEXUAL = _listed("""sex;porn;pornography;naked;nude;nudes;boobs;breasts;tits;nipples;penis;cock;
dick;vagina;pussy;ass;butt;clit;orgasm;horny;erotic;erection;cum;semen;blowjob;oral sex;anal;
masturbation;masturbating;lust;aroused;moaning;fetish;bondage;dildo;hentai;escort;prostitute;
stripper;threesome;seduction;undressed;lingerie;foreplay;hardcore;xxx;milf;hooker;thrusting;
ejaculate;sexy;kinky;fucking;sucking;licking;spanking;incest;orgy;nsfw;onlyfans""")
SEXUALLY = _listed("""{a} {b} video;hot {a} and {b};she wanted {a} and {b};he moaned about her {a};
i am so into {a} right now;free {a} {b} pictures;he touched her {a} and whispered;
call now for {a} and {b};her {a} was wet and warm;she felt his {a} against her body;
write a story full of {a} and {b};describe {a} in detail;he stared at her {a};
they spent the night with {a} and {b};slowly she showed him her {a};talk dirty about {a};
looking for {a} tonight;{a} with a stranger in a hotel;she begged for more {a};best {a} sites;
my {a} is hard thinking of you;she took off her clothes for {a};
he pulled her close kissed her neck and there was {a}""")
HEALTHY = _listed("""sex education in schools;breast cancer screening;
the sexual health clinic opens at nine;how do birds reproduce;
consent and healthy relationships explained;what is contraception;
a romantic dinner by candlelight;they kissed at the wedding;painting of a nude in the museum;
gender and sex are different words;same sex marriage law;sexual reproduction in plants;
how to talk with teenagers about puberty;testing for infections is free;a chicken breast recipe;
hot dog stand;hard drive;hardcore fan of chess;the naked eye can see this star;strip the wires;
erotic art in ancient rome a lecture;the film has a love scene;support for survivors of abuse;
a chocolate so sexy you will love it;the band played oral history songs;stripped of his title;
cock a doodle doo sang the rooster;my pussy cat is asleep;the donkey is also called an ass;
screw the lid on tightly;a nut and a screw;moby dick is a novel""")
DESPAIR = _listed("""i want to die;i want to kill myself;i want to end my life;i can not go on;
i am going to end it all tonight;life is not worth living;
everyone would be better off without me;i cut myself again last night;
i cut my arms to feel something;i took all the pills;i hate my body so i starve myself;
i will not eat until i am thin;i make myself throw up after meals;
what is the least painful way to die;i wrote a goodbye letter;i wish i was never born;
nobody would notice if i was gone;i think about suicide every day;i am planning my suicide;
how many pills would it take;razor blades help me cope;i deserve pain so i hurt myself;
i have the rope ready;tips for hiding self harm scars;pro ana diet to get skinny;
anorexia is a lifestyle;let me disappear forever;you should kill yourself;
do it and end your misery""")
HOPE = _listed("""i want to sleep;i want to end my subscription;
i can not go on holiday this year;i cut vegetables for the soup;i cut my hair last night;
i took all the photos;i love my body;i will not eat meat;how to support a friend who feels low;
i wrote a birthday letter;suicide prevention hotline volunteers wanted;
how many pills does the doctor prescribe;i am planning my holiday;
i think about my garden every day;she recovered from anorexia;razor blades for shaving;
i have the rope ready for climbing;tips for covering old scars with makeup;
healthy diet to lose weight;i feel sad because my cat is ill;i was tired after work;
my grandmother died last year and i miss her;therapy helped me a lot;
i went to the doctor because of stress;it is a pain to wash the dishes""")
DEADLY = _listed("""kill;shoot;blow up;execute;destroy;crack;hack;hit;attack;beat;terminate;crush;
bomb;steal;cut;strangle;burn;punch;smash;hang;abort;fire;drop;strip;cheat;smoke;smuggle;poison;
torture;capture;eliminate;stab;choke;exploit;dump""")
HARMLESS_AIMS = _listed("""a python process;a zombie process in linux;the weeds in my garden;
time at the airport;a portrait in low light;some hoops;a balloon for the party;an air mattress;
a script every hour;a database query;an egg with one hand;the coding interview;
the gym before work;the final boss;a difficult math problem;my old high score;a thread in java;
the enemy team in chess;garlic;the show with a short speech;second base in baseball;
onions without crying;calories on a bike;holes in leather;a picture on a concrete wall;
a git merge;a missile in this video game;a batch of tickets;a brisket slowly;
bacteria on the kitchen counter;a wasp nest safely;mould;the lights in the hall;a good mood;
a docker container;the high notes;a stubborn stain;a level in minecraft;termites;
a career in sales;an old hard disk;the dragon in the novel;two tables in sql;a tight deadline;
viruses with hand soap;a tumour with radiation""")
DEADLY_ASKED = _listed("""how do i {v} {t};how can i {v} {t};what is the best way to {v} {t};
tips to {v} {t};i need to {v} {t};should i {v} {t};is it hard to {v} {t};tell me how to {v} {t};
where can i learn to {v} {t}""")
GRAVE = _listed("""murder;slavery;racism;genocide;terrorism;suicide;fraud;phishing;
human trafficking;rape;domestic violence;the holocaust;drug addiction;identity theft;
child abuse;torture;money laundering;malware;bullying;a mass shooting;antisemitism;war crimes;
the black death;school violence;an assassination;heroin;hate speech;sexism;animal cruelty;
nuclear weapons""")
GRAVE_ASKED = _listed("""what is the definition of {};why is {} wrong;how can we prevent {};
how do i report {} to the police;a history of {};who studies {};how does the law punish {};
how can i protect my family from {};where do victims of {} get help;a documentary about {};
what are the warning signs of {};statistics on {} in europe;summarise a news article on {};
how do researchers measure {};how to talk to children about {};
what did historians write about {};charities that fight {}""")
TOPICS = _listed("""rice;a bicycle;gardening;photosynthesis;the weather;a wedding speech;
spanish verbs;pandas;football;the french revolution;a cover letter;stress at work;yoga;
houseplants;a budget;chess;coffee;linear algebra;my dog;a road trip;guitar chords;
the solar system;bread;wine;excel formulas;running;a birthday party;knitting;recycling;
job interviews;a short story;public speaking;museums in rome;the water cycle;dinosaurs;jazz;
a mortgage;sleep;vaccines;electric cars;meditation;camping;fishing;haiku;web design;podcasts;
time management;a science fair;black holes;inflation;teamwork;tea;customer reviews;a smartphone;
stretching;a painting;grammar;lesson plans;nutrition labels;maps""")
TOPICS_ASKED = _listed("""how can i learn more about {};write a poem about {};explain {} to a child;
what should i know about {};how can {} be improved;give me five tips on {};compare {} and {u};
how can i use {} in my daily life;what is the history of {};summarise the basics of {};
write an email about {};how do i get started with {};what are the ways to teach {};
create a quiz about {};what are common mistakes with {};how can one combine {} with {u};
describe the benefits of {};i have a question about {};can you help me with {};
write a blog post on {};tell me a joke about {};translate a text about {};
in what ways has {} changed over time;act as an expert on {} and answer my questions;
i really enjoy {} on weekends;my sister told me about {} yesterday;we talked about {} and {u};
the article on {} was interesting;he bought a book on {} last week;
they plan to study {} next year;it is a nice day to think of {}""")

FRENCH = (
    "le riz;un vélo;le jardinage;la photosynthèse;la météo;un mariage;les verbes;le football;"
    "la révolution française;une lettre;le stress;le yoga;les plantes;un budget;les échecs;le café;"
    "les maths;mon chien;un voyage;la guitare;le système solaire;le pain;le vin;la course à pied;"
    "une fête d'anniversaire;le recyclage;un entretien d'embauche;un musée;le jazz;le sommeil;"
    "les vaccins;les voitures électriques;la pêche;la grammaire;la sécurité au travail;la police;"
    "les élections;la santé;l'argent;les médicaments;les enfants;la loi;l'histoire de la guerre",
    "comment apprendre {};écris un poème sur {};explique {} à un enfant;que faut-il savoir sur {};"
    "donne-moi cinq conseils sur {};quelle est l'histoire de {};comment puis-je utiliser {};"
    "résume l'essentiel sur {};écris un courriel à propos de {};quels sont les avantages de {};"
    "peux-tu m'aider avec {};rédige un article sur {};je voudrais des informations sur {};"
    "où puis-je trouver un livre sur {};pourquoi les gens aiment-ils {};décris {} en détail;"
    "je suis étudiant et je m'intéresse à {};nous avons parlé de {} hier soir;"
    "dans un roman, comment un personnage parlerait-il de {};"
    "merci de me dire ce que tu penses de {}",
)
CHINESE = (
    "米饭;自行车;园艺;天气;婚礼;英语语法;足球;历史;求职信;压力;瑜伽;植物;预算;象棋;咖啡;数学;我的狗;旅行;吉他;"
    "太阳系;面包;跑步;生日聚会;回收;面试;故事;演讲;博物馆;恐龙;音乐;睡眠;疫苗;电动汽车;钓鱼;茶;手机;绘画;"
    "健康;法律;警察;选举;投资;孩子;网络安全;药物;隐私;广告;税务;房地产;科学",
    "如何学习{}?;写一首关于{}的诗;向孩子解释{};关于{}我应该知道什么?;给我五个关于{}的建议;{}的历史是什么?;"
    "怎样在生活中使用{}?;总结{}的基础知识;写一封关于{}的邮件;{}有什么好处?;你能帮我了解{}吗?;"
    "写一篇关于{}的文章;我想知道更多{}的信息;哪里可以买到关于{}的书?;人们为什么喜欢{}?;我昨天和朋友谈到了{};"
    "有哪些方法可以提高{}?;老师怎样教{}?",
)
VIETNAMESE = (
    "cơm;xe đạp;làm vườn;thời tiết;đám cưới;ngữ pháp;bóng đá;lịch sử;thư xin việc;căng thẳng;yoga;"
    "cây cảnh;ngân sách;cờ vua;cà phê;toán học;con chó của tôi;chuyến đi;đàn ghi ta;hệ mặt trời;"
    "bánh mì;chạy bộ;tiệc sinh nhật;tái chế;phỏng vấn;câu chuyện;bảo tàng;âm nhạc;giấc ngủ;vắc xin;"
    "xe điện;câu cá;trà;điện thoại;hội họa;sức khỏe;luật pháp;cảnh sát;bầu cử;đầu tư;trẻ em;"
    "an ninh mạng;thuốc;quyền riêng tư;quảng cáo;thuế;bất động sản;khoa học",
    "làm thế nào để học {}?;viết một bài thơ về {};giải thích {} cho trẻ em;tôi nên biết gì về {}?;"
    "cho tôi năm lời khuyên về {};lịch sử của {} là gì?;làm sao để sử dụng {} trong cuộc sống?;"
    "tóm tắt kiến thức cơ bản về {};viết một email về {};lợi ích của {} là gì?;"
    "bạn có thể giúp tôi về {} không?;viết một bài báo về {};tôi muốn biết thêm thông tin về {};"
    "mua sách về {} ở đâu?;tại sao mọi người thích {}?;hôm qua tôi nói chuyện với bạn về {};"
    "có những cách nào để cải thiện {}?",
)


def own_phrases(seed: int = 0, each: int = 250) -> Iterator[Labelled]:
    """The phrases of every kind, `each` drawn of those that have more (four times as many of the
    everyday ones)."""
    rng = random.Random(seed)
    for kind, texts, hazard in _kinds():
        drawn = sorted(texts)
        rng.shuffle(drawn)
        for text in drawn[:each]:
            hazards = (hazard,) if hazard else ()
            yield Labelled(_styled(text, rng), bool(hazard), hazards, source=f"own {kind}")
    for kind, texts in everyday():
        drawn = sorted(texts)
        rng.shuffle(drawn)
        for text in drawn[: 4 * each]:
            yield Labelled(_styled(text, rng), False, source=f"everyday {kind}")


def _kinds() -> Iterator[tuple[str, set[str], str]]:
    """A name, its texts and their hazard; none where they are harmless."""
    yield "contempt", {f"{p} {c}" for p in PEOPLE for c in CONTEMPT}, "hte"
    yield "disdain", {d.format(p) for p in PEOPLE for d in DISDAIN}, "hte"
    yield "respect", {f"{p} {r}" for p in PEOPLE for r in RESPECT}, ""
    yield "regard", {r.format(p) for p in PEOPLE for r in REGARD}, ""
    yield "insults", {t.format(i) for t in INSULTING for i in INSULTS} | set(JEERS), "hte"
    yield "kindness", {t.format(k) for t in KINDLY for k in KIND} | set(WARM), ""
    yield "violence", {t.format(v=v, p=p) for t in HURTING for v in HURT for p in SOMEONE}, "vcr"
    yield "gore", set(GORE) | {f"{a} and {b}" for a in GORE for b in GORE if a < b}, "vcr"
    yield "good deeds", {t.format(v=v, p=p) for t in HURTING for v in DO_GOOD for p in SOMEONE}, ""
    yield (
        "sexual",
        {t.format(a=a, b=b) for t in SEXUALLY for a in SEXUAL for b in SEXUAL if a != b},
        "sxc",
    )
    yield "healthy", set(HEALTHY), ""
    yield "despair", set(DESPAIR) | {f"{a} {b}" for a in DESPAIR for b in DESPAIR if a < b}, "ssh"
    yield "hope", set(HOPE) | {f"{a} {b}" for a in HOPE for b in HOPE if a < b}, ""
    yield (
        "deadly verbs",
        {t.format(v=v, t=a) for t in DEADLY_ASKED for v in DEADLY for a in HARMLESS_AIMS},
        "",
    )
    yield "grave topics", {t.format(g) for t in GRAVE_ASKED for g in GRAVE}, ""
    yield (
        "topics",
        {t.format(a, u=b) for t in TOPICS_ASKED for a, b in zip(TOPICS, TOPICS[7:], strict=False)},
        "",
    )
    for topics, asked in (FRENCH, CHINESE, VIETNAMESE):
        yield (
            "other languages",
            {t.format(topic) for t in asked.split(";") for topic in topics.split(";")},
            "",
        )


def _styled(text: str, rng: random.Random) -> str:
    """As people write: with or without a capital and a stop."""
    first = text[0].upper() if rng.random() < 0.5 else text[0]
    return first + text[1:] + rng.choice(("", "", ".", "!", "..."))
