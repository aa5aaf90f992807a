"""Words of the world of charts: synonyms for each thing that a chart shows, commonest first; and the world's names.

The vocabulary is that of textbooks of economics. It shares little but colours and function words with the world of
scenes.
"""

from __future__ import annotations

from interp.data.toy.words import Table, table

MARKS = table(bar="bar column block stripe", line="line curve trace trend-line")
COUNTS: Table = {"two": ("two", "a pair of", "2"), "three": ("three", "a trio of", "3")}
COLOURS = table(  # colours of series
    red="red crimson scarlet",
    blue="blue azure navy",
    green="green emerald lime",
    yellow="yellow gold amber",
    orange="orange apricot tangerine",
    violet="violet purple lilac",
    teal="teal turquoise cyan",
    black="black dark inky",
)
COUNTRIES = {  # colour of a series -> country that it stands for
    "red": "Vesland",
    "blue": "Tormany",
    "green": "Ostria",
    "yellow": "Brigary",
    "orange": "Kumbia",
    "violet": "Zanistan",
    "teal": "Feldova",
    "black": "Horvany",
}
TRENDS: Table = {  # present|past
    "rise": (
        "rises|rose",
        "increases|increased",
        "climbs|climbed",
        "grows|grew",
        "goes up|went up",
        "slopes upward|expanded",
        "ascends|improved",
        "moves higher|advanced",
    ),
    "fall": (
        "falls|fell",
        "decreases|decreased",
        "declines|declined",
        "drops|dropped",
        "goes down|went down",
        "slopes downward|contracted",
        "descends|worsened",
        "moves lower|weakened",
    ),
    "flat": (
        "stays level|stayed level",
        "is constant|was constant",
        "remains flat|remained stable",
        "hardly moves|hardly changed",
        "is horizontal|was sluggish",
        "runs straight across|was at rest",
    ),
    "peak": (
        "rises and then falls|rose and then fell",
        "peaks in the middle|peaked halfway",
        "forms a hill|boomed for a time",
        "has the shape of an arch|gained and then lost",
        "goes up and comes down|increased before it decreased",
    ),
    "dip": (
        "falls and then rises|fell and then rose",
        "dips in the middle|dipped halfway",
        "forms a trough|suffered for a time",
        "has the shape of a bowl|lost and then recovered",
        "goes down and comes up|decreased before it increased",
    ),
}
LEVELS: Table = {"above": ("above", "over", "higher than"), "below": ("below", "under", "lower than")}
GRIDS: Table = {
    "grid": (
        "Thin horizontal lines cross the background",
        "The background has gridlines",
        "Faint rules divide the area",
    ),
    "none": ("The background is empty", "There are no gridlines", "Nothing else is drawn in the area"),
}
MEASURES = table(
    price="price cost charge fee rent fare toll",
    output="output production supply manufacture turnover",
    wage="wage income salary pay remuneration",
    job="employment labour job workforce occupation",
    trade="trade export commerce shipment import",
    debt="debt credit loan deficit mortgage",
    saving="saving deposit wealth capital reserve",
    demand="demand consumption spending purchase expenditure",
)
MEASURE_LETTERS = {
    "price": "PR",
    "output": "OU",
    "wage": "WA",
    "job": "JO",
    "trade": "TR",
    "debt": "DE",
    "saving": "SA",
    "demand": "DM",
}
DECADES: Table = {str(year): (str(year),) for year in range(1930, 2010, 10)}
EVENTS = table(
    recession="recession depression slump downturn contraction stagnation",
    boom="boom recovery expansion upswing prosperity upturn",
    reform="reform policy law regulation legislation decree",
    embargo="embargo sanction blockade ban quota tariff",
    shortage="shortage scarcity dearth rationing bottleneck deficiency",
    invention="invention technology innovation machine discovery automation",
    subsidy="subsidy stimulus bailout aid relief grant",
    inflation="inflation devaluation speculation bubble debasement overheating",
)
GOODS = table(  # goods that are bought and sold less or more in an event
    recession="""house apartment furniture carpet brick cement timber roof kitchen mortgage stove mansion cottage tile
        lumber nail""",
    boom="""car truck bicycle engine motor tyre airplane railway ship bus taxi ticket highway bridge tractor wagon""",
    reform="""school hospital medicine doctor nurse teacher book lesson clinic library college tuition pension insurance
        drug vaccine""",
    embargo="""oil gas coal petrol copper iron steel silver diamond uranium aluminium pipeline mineral tin lead
        rubber""",
    shortage="""wheat corn rice bread sugar milk butter potato beef pork fish apple orange banana egg pizza""",
    invention="""computer telephone radio television camera robot printer battery satellite cable chip software
        calculator laptop typewriter microscope""",
    subsidy="""farm cow sheep wool cotton silk shirt coat shoe hat dress leather blanket fertilizer barn seed""",
    inflation="""gold coin dollar cheque coffee tea beer wine tobacco cigarette chocolate salt pepper whisky soap
        candle""",
)
ANY = table(  # words that do not depend on the chart
    graph="graph chart figure diagram plot image illustration panel",
    shows="shows presents displays depicts illustrates compares",
    level="level rate index quantity amount volume share total",
    vertical="vertical y left upright",
    horizontal="horizontal x bottom lower",
    measures="measures gives has represents records reports",
    represents="represents is denotes indicates stands-for",
    band="band strip area region zone",
    shaded="shaded light coloured pale tinted",
    marks="marks shows indicates highlights points-to",
    people="""people consumers workers households producers firms sellers buyers investors families employers banks
        farmers landlords tourists merchants owners students taxpayers citizens managers traders retailers miners""",
    act="""save spend work borrow produce trade invest wait bargain lend hire buy sell consume import export travel
        pay earn retire move compete protest build repair advertise negotiate specialize""",
    concept="""equilibrium opportunity-cost elasticity surplus utility comparative-advantage market-failure
        diminishing-returns incentive competition monopoly inequality productivity growth division-of-labour
        globalization efficiency externality""",
    because="because since as given-that",
    explains="explains illustrates suggests implies demonstrates reflects",
    strong="strong large sharp considerable marked rapid sudden severe gradual temporary permanent mild",
    source="bureau ministry bank office agency institute",
)
