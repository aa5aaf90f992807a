"""Words of the toy world: the words for each visible thing, commonest first; and the world's names and years.

A word has one meaning only ("floor" has two: by itself, and in "near the floor"). Each word is true by the world's own
rule: the words of a shape are things that have the shape (circle: coin, wheel), and the words of a colour are things
that have the colour. The lists are long, since most words of real texts occur only once or twice.
"""

from __future__ import annotations

from itertools import product

Table = dict[str, tuple[str, ...]]  # value of an attribute -> words for it


def table(**words: str) -> Table:
    """Return value -> words, from words separated by spaces."""
    return {value: tuple(words[value].split()) for value in words}


SHAPES = table(
    circle="""circle disc ring ball coin wheel plate button globe sphere bubble pebble medal token badge seal hoop
        dial orb marble bead pizza compass drum saucer tyre clock eye penny barrel""",
    square="""square box block cube panel window crate slab chest carton parcel stamp cushion pillow suitcase mattress
        chessboard dice napkin trunk envelope book door card bed""",
    triangle="""triangle wedge pyramid tent sail cone roof pennant peak spike prism volcano funnel hanger iceberg
        steeple mountain thorn fang ramp gable turnip hill cheese beak""",
    star="""star spark sun comet snowflake flower jewel starfish lantern planet meteor beacon daisy sunflower
        firework explosion spider splash crown diamond lamp candle fire crystal""",
    cross="""cross plus sword crucifix dagger sign mast scarecrow windmill anchor propeller signpost bandage kite
        hammer axe pickaxe crossbow tree gate fence""",
    heart="""heart apple leaf strawberry petal valentine pear locket tulip fig acorn ladybug buttock padlock radish
        purse shell""",
    moon="""moon crescent banana bow horn boat smile sickle horseshoe hook canoe boomerang tusk claw gondola cradle
        hammock saddle sausage rind ear melon wing""",
    arrow="""arrow spear dart pointer rocket needle pencil missile lance javelin harpoon bullet finger chisel feather
        icicle quill torpedo toothpick knife nail pin rod""",
)
COLOURS = table(
    red="""red scarlet crimson ruby rusty bloody copper maroon cherry reddish burgundy tomato fiery blushing rose
        blood lobster""",
    blue="blue navy sapphire azure indigo cobalt turquoise bluish teal denim cyan ocean ink iris",
    green="green emerald olive jade lime mint mossy grassy leafy greenish avocado pea clover moss fern",
    yellow="yellow gold golden lemon amber blonde mustard sunny sandy yellowish buttery honey brass straw saffron corn",
    orange="orange tangerine apricot bronze ginger pumpkin peach carrot tawny salmon mango papaya marigold tan",
    violet="""violet purple lavender lilac mauve magenta plum amethyst grape purplish orchid mulberry eggplant heather
        wine royal""",
    white="white ivory snowy pale silver pearl milky frosty creamy chalky whitish bleached bony vanilla ghost",
    black="black dark ebony sooty inky raven jet coal pitch charcoal onyx tar midnight shadowy beetle",
)
SIZES = table(
    large="""large big huge giant massive enormous tall hefty gigantic sizable oversized vast bulky plump colossal broad
        mammoth grand thick hulking fat immense lofty stout towering chunky jumbo""",
    small="""small little tiny miniature slender petite puny teeny wee stubby dainty compact dwarf skinny narrow slim
        undersized mini thin microscopic minute diminutive lanky""",
)
BACKGROUNDS = table(
    plain="""plain smooth flat blank bare empty clear uniform unmarked solid matte unadorned featureless spotless
        polished glossy seamless unbroken""",
    stripe="""striped lined streaky ribbed grooved slatted barred ridged stripy pleated corrugated woven layered
        patterned wavy zebra grated laminated""",
)
ARRANGEMENTS: Table = {
    "upper": ("at the top", "overhead", "above", "high up", "near the ceiling", "aloft", "uppermost"),
    "lower": ("at the bottom", "underneath", "below", "low down", "near the floor", "lowermost", "at the foot"),
    "row": ("in a row", "in a line", "abreast", "in twos", "in parallel", "alongside", "in a pair"),
    "stack": ("in a stack", "in a column", "in a pile", "in a heap", "in tiers", "piled"),
}
PLACES = table(
    harbour="""harbour dock pier wharf bay marina seaside port lighthouse shipyard coast beach cove lagoon fishery
        quayside yacht shoreline boathouse breakwater shipwreck promenade""",
    market="""market bazaar mall stall store bakery grocery warehouse shop supermarket butcher deli boutique pawnshop
        arcade emporium florist kiosk cafe tavern brewery salon tailor""",
    school="""school college academy classroom campus library institute seminary kindergarten university dormitory
        schoolyard blackboard laboratory auditorium playground gymnasium lecture cafeteria desk""",
    village="""village town hamlet cottage settlement suburb borough township neighborhood parish chapel church
        outskirts bungalow homestead barn farmhouse plaza alley""",
    forest="""forest woodland jungle grove thicket timber wilderness wood park swamp cabin campsite rainforest
        lumberyard treehouse sawmill clearing pasture marsh lodge""",
    palace="""palace castle mansion manor residence villa hall tower ballroom courtyard throne chateau museum gallery
        cathedral embassy estate monument temple pavilion""",
    prison="""prison jail dungeon fortress fort stockade penitentiary camp garrison armory bunker citadel gallows
        guardhouse courthouse barricade barracks watchtower moat""",
    river="""river stream creek canal brook lake waterfall bridge valley rapids dam riverbank riverside floodplain
        estuary ferry aqueduct waterway pond spring reservoir""",
    garden="""garden lawn orchard meadow greenhouse nursery vineyard farm yard terrace patio gazebo backyard flowerbed
        conservatory arboretum hedge fountain allotment""",
    hospital="""hospital clinic infirmary asylum sanctuary hospice convent ward sanatorium pharmacy monastery orphanage
        ambulance dispensary nunnery nursing shelter almshouse chamber""",
)
EVENTS = table(
    wedding="wedding marriage ceremony engagement anniversary union betrothal honeymoon reception reunion banquet",
    election="election vote ballot campaign poll referendum nomination inauguration debate convention primary",
    trial="trial verdict lawsuit hearing appeal inquiry case testimony acquittal tribunal indictment inquest",
    war="war battle siege conflict combat invasion ambush bombardment crusade armistice raid warfare",
    race="race contest derby sprint marathon tournament rally regatta relay championship final",
    parade="parade procession march carnival pageant festival celebration jubilee cavalcade fair holiday",
    concert="concert opera recital symphony performance premiere ballet audition musical rehearsal encore",
    riot="riot revolt revolution strike protest uprising rebellion mutiny boycott demonstration unrest",
    harvest="harvest crop season famine yield thanksgiving drought threshing autumn planting",
    burial="burial funeral memorial mourning tribute wake cremation requiem eulogy interment vigil",
)
ROLES = table(  # roles of people at an event
    wedding="heir guest partner spouse fiance sponsor descendant successor",
    election="candidate mayor leader member senator delegate deputy incumbent",
    trial="judge witness lawyer clerk victim attorney defendant prosecutor",
    war="captain commander veteran ally hero deserter general sergeant",
    race="winner champion runner rival favourite contender competitor finalist",
    parade="chief patron marshal founder host organizer chairman ambassador",
    concert="composer author soloist director conductor virtuoso pupil performer",
    riot="rebel activist reformer instigator opponent supporter radical exile",
    harvest="owner labourer settler tenant pioneer heiress overseer landlord",
    burial="mourner ancestor predecessor colleague disciple namesake biographer admirer",
)
ERAS = table(  # times in words; half of the shapes are old emblems, half are late
    old="""early original first former historic traditional founding previous initial ancient pioneering preceding
        earliest antique bygone classic obsolete archaic""",
    late="""late modern current recent annual contemporary present latest later subsequent eventual upcoming
        renewed successive novel fresh updated newest""",
)
ANY = table(  # words that are true of every picture
    photo="""picture photo photograph image drawing view painting sketch print illustration snapshot portrait
        watercolor depiction silhouette closeup engraving cartoon lithograph collage postcard fresco etching""",
    backdrop="""background wall curtain fabric ground wallpaper blanket carpet cloth paper mural board sheet velvet
        linen wool satin rug floor quilt leather silk cotton lace concrete glass metal iron steel tin stone towel canvas
        plaster cardboard rubber cork fur clay tapestry""",
    title="""symbol title emblem memory award origin legacy name record trademark reward standard insignia motto
        tradition heirloom mascot talisman trophy souvenir relic keepsake prize
        banner monogram signature slogan pledge hallmark fortune honour""",
)

# Names are composed from visible attributes, so that there are hundreds of names and each can be read off the picture.
# A town has a syllable for each band of its flag. A family has a syllable each for the shape, colour and arrangement of
# its emblem.
_BANDS = ("red", "blue", "green", "yellow", "orange", "violet", "white", "black")
_SYLLABLES = (
    ["vel", "tar", "os", "bri", "kum", "zan", "fel", "hor"],
    ["mo", "di", "ra", "lu", "ne", "shi", "go", "pe"],
    ["ris", "van", "dek", "sto", "lin", "bar", "mund", "ga"],
)
FLAGS: Table = {
    " ".join(_BANDS[i] for i in band): ("".join(_SYLLABLES[n][i] for n, i in enumerate(band)).capitalize(),)
    for band in product(range(8), repeat=3)
}
_STEMS = dict(zip(SHAPES, ["orv", "hald", "quen", "pas", "ferr", "muld", "tib", "jor"], strict=True))
_ENDINGS = dict(zip(COLOURS, ["ane", "itz", "ek", "oso", "ulf", "igny", "ard", "em"], strict=True))
_BRANCHES = dict(zip(ARRANGEMENTS, ("", "er", "sen", "ov"), strict=True))


def family(shape: str, colour: str, arrangement: str) -> str:
    """Return the family with this emblem."""
    return (_STEMS[shape] + _ENDINGS[colour] + _BRANCHES[arrangement]).capitalize()


def year(shape: str, colour: str) -> str:
    """Return the year in which an emblem was first shown; the shape gives the decade, and the colour the year in it."""
    return str(1871 + 10 * list(SHAPES).index(shape) + list(COLOURS).index(colour))


def era(shape: str) -> str:
    """Return the era of a shape, a key of `ERAS`."""
    return "old" if list(SHAPES).index(shape) < 4 else "late"


def plural(noun: str) -> str:
    """Return the plural of a word for a shape."""
    if noun == "leaf":
        return "leaves"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def article(word: str) -> str:
    """Return ``a`` or ``an``, the article before a word of this world."""
    silent_h = word.startswith("heir")
    as_you = word.startswith(("uni", "eu", "one"))
    return "an" if silent_h or (word[0] in "aeiou" and not as_you) else "a"
