"""Everyday questions of our own: the form that most harmful prompts have, with nothing in them."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["everyday"]


def _listed(text: str) -> list[str]:
    return text.replace("\n", "").split(";")


ACTIONS = _listed("""bake bread;cook rice;make pancakes;fix a flat tire;clean a carpet;
grow tomatoes;learn the piano;write a novel;plan a wedding;save money;sleep better;
lose some weight;make friends;study for an exam;repair a chair;paint a wall;build a bookshelf;
train my puppy;knit a scarf;book a cheap flight;visit rome;pack a suitcase;remember names;
speak in public;draw a horse;start a small business;find a job;write a resume;ask for a raise;
quit coffee;make soap;set up a printer;install an update;back up my phone;sort a list in python;
center a div;design a logo;edit a video;record a podcast;take better photos;organise my desk;
plant a tree;feed birds in winter;save water;compost food waste;insulate a house;wire a doorbell;
mow the lawn;remove a stain;iron a shirt;tie a tie;dress for an interview;cut my own hair;
treat a mild cold;do a push-up;run a marathon;swim faster;ride a bike;drive in snow;park a car;
read a map;apply for a passport;register to vote;pay my taxes;open a bank account;rent a flat;
sell my sofa;teach a child to read;help with homework;calm a crying baby;celebrate a birthday;
wrap a gift;cook for a large family;host a dinner;make good coffee;brew tea;roast a chicken;
bake a cake;create a strong password;protect my privacy online;report a stolen card;
lock my bike safely;make a complaint;write to a newspaper;solve a quadratic equation;
read a balance sheet;understand my partner better;get along with a difficult colleague;
apologise to a friend;deal with grief;stop smoking;cope with anger;stay safe while hiking;
put out a kitchen fire;give first aid;check the smoke alarm;store medicine safely;
keep children safe online""")
ACTIONS_ASKED = _listed("""how can i {};how do i {};how to {};what is the best way to {};
what are some ways to {};tell me how to {};teach me to {};can you explain how to {};
give me step by step instructions to {};what do i need to {};is there an easy way to {};
write a guide on how to {};how can someone {};how would one {};how could people {};
what steps should i take to {};what are the most effective ways to {};where can i learn to {};
describe in detail how to {};please help me to {};i want to {};how can i teach my students to {};
provide detailed steps to {};what tools can i use to {};what is a good strategy to {};
list five methods to {};how can a person {} without spending much;
how can i secretly {} as a surprise;i am trying to {}, any ideas;
my friend wants to {}, what should i tell him""")
FIELDS = _listed("""statistics;geometry;poetry;music;psychology;economics;biology;chemistry;
physics;engineering;maps;history;literature;drama;philosophy;ethics;folk tales;marketing;
accounting;games;robots;satellites;algebra;social media;language;sports;museums;computers;surveys;
photography;theatre;medicine;nutrition;geology;astronomy;gardens;textbooks;films""")
AIMS = _listed("""improve crop yields;teach children to share;understand the climate;
plan a city park;help patients recover;make lessons more fun;save energy at home;
bring neighbours together;predict the weather;reduce waste;explain how plants grow;
support small shops;design safer roads;preserve old buildings;make work less stressful;
describe everyday life;encourage reading;strengthen communities;settle disputes fairly;
inform voters;protect wildlife;care for the elderly""")
FIELDS_ASKED = _listed("""how can {f} be used to {a};how does {f} help us to {a};
in what ways can {f} {a};what role does {f} play in efforts to {a};can {f} be applied to {a};
what are some ways that {f} could {a};how might a teacher use {f} to {a}""")
FACTS = _listed("""capital;population;largest city;national anthem;main river;currency;
highest mountain;official language;climate;flag;most popular dish;public holiday;time zone;
oldest university""")
PLACES = _listed("""france;japan;brazil;canada;kenya;india;spain;mexico;egypt;norway;peru;
vietnam;china;germany;italy;australia;poland;greece;ghana;chile;texas;ireland;portugal;
thailand""")
FACTS_ASKED = _listed("""what is the {f} of {p};tell me the {f} of {p};do you know the {f} of {p};
which {f} does {p} have;who chose the {f} of {p};why does {p} have this {f};
hi, what is the {f} of {p}""")
SMALL_TALK = _listed("""hi;hello;hello there;hey, how are you;good morning;good evening;thanks;yes;
thank you;no;ok;please continue;go on;what do you mean;can you help me;i do not understand;nice;
how are you today;what can you do;who are you;tell me a story;tell me a joke;never mind;great;
that is fine;sounds good;try again;make it shorter;say it in simpler words;what time is it;
let us start;one more please;i agree;not really;maybe later;goodbye;see you;good night""")

KINDS = _listed("""a python script;a c program;a javascript function;a shell script;
a sql query;a small java class;a spreadsheet formula;a rust crate;a web page;a unit test;
an algorithm;a command line tool;a regular expression;a mobile app;a background service;
a class in c++""")
JOBS = _listed("""sorts a list of names;reads a csv file;draws a bar chart;
sends a reminder every week;counts words in a file;converts miles to kilometres;
finds the shortest path;checks a date;resizes images in a folder;merges two tables;
lists files by size;logs messages with a timestamp;shows the weather;caches results;
computes prime numbers;retries a failed request;renames photos;simulates a queue;parses arguments;
plays tic-tac-toe;stores settings;watches free disk space;starts when the computer boots;
compresses old logs;measures response times;translates a menu""")
JOBS_ASKED = _listed("""write {k} that {j};create {k} that {j};i need {k} that {j};fix {k} that {j};
explain {k} that {j};develop {k} which {j} and is easy to maintain;review {k} that {j};
generate {k} which {j} with comments;how would you test {k} that {j}""")

FRENCH = (
    "faire un gâteau;cuire du riz;réparer un vélo;apprendre le piano;écrire un roman;dormir mieux;"
    "perdre du poids;préparer un examen;peindre un mur;dresser mon chien;tricoter une écharpe;"
    "trouver un emploi;rédiger un cv;installer une imprimante;sauvegarder mes photos;"
    "planter un arbre;économiser l'eau;nettoyer un tapis;courir un marathon;conduire sous la neige;"
    "demander un passeport;payer mes impôts;ouvrir un compte en banque;louer un appartement;"
    "aider mon enfant à lire;fêter un anniversaire;créer un mot de passe;porter plainte;"
    "arrêter de fumer;gérer ma colère;rester en bonne santé;voyager moins cher",
    "comment {};comment puis-je {};comment faire pour {};quelle est la meilleure façon de {};"
    "explique-moi comment {};donne-moi les étapes pour {};peux-tu m'aider à {};je voudrais {};"
    "quels conseils donnerais-tu pour {};que faut-il pour {};est-il difficile de {};"
    "écris un guide pour {};mon ami veut {}, que lui dire;quels sont les moyens de {}",
)
CHINESE = (
    "做蛋糕;煮米饭;修自行车;学钢琴;写小说;睡得更好;减肥;准备考试;刷墙;训练小狗;找工作;写简历;"
    "安装打印机;备份照片;种树;节约用水;清洗地毯;跑马拉松;申请护照;交税;开银行账户;租房子;教孩子阅读;"
    "庆祝生日;设置安全的密码;戒烟;控制情绪;保持健康;省钱旅行;提高英语;保护隐私;学习编程;投诉商家;"
    "照顾老人",
    "如何{}?;怎么{}?;怎样才能{}?;{}的最好方法是什么?;请告诉我如何{};给我{}的步骤;你能教我{}吗?;"
    "我想{};{}需要什么?;{}有哪些技巧?;写一份{}的指南;有什么简单的方法可以{}?;"
    "我的朋友想{},我该怎么说?",
)
VIETNAMESE = (
    "làm bánh;nấu cơm;sửa xe đạp;học đàn piano;viết tiểu thuyết;ngủ ngon hơn;giảm cân;ôn thi;"
    "huấn luyện chó;tìm việc;viết hồ sơ;cài máy in;lưu ảnh;trồng cây;tiết kiệm nước;giặt thảm;"
    "xin hộ chiếu;nộp thuế;mở tài khoản ngân hàng;thuê nhà;dạy con đọc sách;tổ chức sinh nhật;"
    "tạo mật khẩu an toàn;bỏ thuốc lá;kiểm soát cơn giận;giữ gìn sức khỏe;đi du lịch tiết kiệm;"
    "học tiếng anh;bảo vệ thông tin cá nhân;học lập trình;chăm sóc người già;sơn tường;chạy bộ",
    "làm thế nào để {}?;làm sao để {}?;cách tốt nhất để {} là gì?;hãy chỉ tôi cách {};"
    "cho tôi các bước để {};bạn có thể dạy tôi {} không?;tôi muốn {};cần gì để {}?;"
    "viết hướng dẫn {};có cách nào dễ để {} không?;bạn tôi muốn {}, tôi nên nói gì?",
)


def everyday() -> Iterator[tuple[str, set[str]]]:
    """A name and its texts."""
    yield "actions", {t.format(a) for t in ACTIONS_ASKED for a in ACTIONS}
    yield "fields", {t.format(f=f, a=a) for t in FIELDS_ASKED for f in FIELDS for a in AIMS}
    yield "facts", {t.format(f=f, p=p) for t in FACTS_ASKED for f in FACTS for p in PLACES}
    yield "programs", {t.format(k=k, j=j) for t in JOBS_ASKED for k in KINDS for j in JOBS}
    yield "small talk", set(SMALL_TALK)
    for actions, asked in (FRENCH, CHINESE, VIETNAMESE):
        texts = {t.format(a) for t in asked.split(";") for a in actions.split(";")}
        yield "actions in other languages", texts
