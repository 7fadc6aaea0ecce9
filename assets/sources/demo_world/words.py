"""What the catalogue's texts are made of: one vocabulary per latent topic, one tone per latent style."""

from typing import NamedTuple


class Topic(NamedTuple):
    name: str
    heroes: tuple[str, ...]
    objects: tuple[str, ...]
    places: tuple[str, ...]


class Style(NamedTuple):
    name: str
    adjectives: tuple[str, ...]
    verdicts: tuple[str, ...]


def _topic(name: str, heroes: str, objects: str, places: str) -> Topic:
    return Topic(name, *(tuple(words.split(", ")) for words in (heroes, objects, places)))


def _style(name: str, adjectives: str, verdicts: str) -> Style:
    return Style(name, tuple(adjectives.split(", ")), tuple(verdicts.split("; ")))


TOPICS: tuple[Topic, ...] = (
    _topic(
        "deep sea",
        "diver, marine biologist, submarine pilot, whale watcher",
        "coral reef, giant squid, shipwreck, anglerfish, hydrothermal vent, humpback whale",
        "the Mariana Trench, a sunken harbour, the kelp forest, the midnight zone",
    ),
    _topic(
        "space flight",
        "astronaut, rocket engineer, mission controller, astronomer",
        "booster rocket, lunar lander, space station, telescope, solar sail, Mars rover",
        "low Earth orbit, the launch pad, the far side of the Moon, the Kuiper belt",
    ),
    _topic(
        "baking",
        "pastry chef, village baker, cake decorator, sourdough maker",
        "rye bread, croissant, wedding cake, cinnamon roll, baguette, apple pie",
        "a Parisian bakery, the farmhouse kitchen, the oven room, the cake shop",
    ),
    _topic(
        "mountain climbing",
        "climber, sherpa, rescue guide, alpinist",
        "ice axe, north face, glacier, rope team, summit ridge, base camp",
        "the Karakoram, the Matterhorn, a granite wall, the death zone",
    ),
    _topic(
        "jazz music",
        "saxophonist, trumpeter, drummer, double bass player",
        "bebop solo, big band, piano trio, blues standard, jam session, vinyl record",
        "a Harlem club, New Orleans, the recording studio, the smoky cellar",
    ),
    _topic(
        "chess",
        "grandmaster, chess prodigy, club player, chess coach",
        "Sicilian defence, endgame, queen sacrifice, blitz game, chess clock, pawn storm",
        "the world championship, a park table, the candidates tournament, the chess club",
    ),
    _topic(
        "gardening",
        "gardener, beekeeper, botanist, allotment owner",
        "rose bed, greenhouse, tomato vine, compost heap, herb garden, apple orchard",
        "a walled garden, the potting shed, the rooftop terrace, the cottage plot",
    ),
    _topic(
        "robotics",
        "roboticist, machine builder, cyborg, factory technician",
        "humanoid robot, drone swarm, robot arm, neural controller, exoskeleton, servo motor",
        "the assembly line, a robot lab, the automated warehouse, the maker space",
    ),
    _topic(
        "football",
        "striker, goalkeeper, football coach, midfielder",
        "penalty shootout, free kick, cup final, derby match, offside trap, last minute goal",
        "a packed stadium, the training ground, the dressing room, the street pitch",
    ),
    _topic(
        "ancient Rome",
        "gladiator, legionary, senator, emperor",
        "aqueduct, chariot race, triumphal arch, mosaic floor, toga, siege engine",
        "the Colosseum, Pompeii, the Roman Forum, Hadrian's Wall",
    ),
    _topic(
        "railways",
        "train driver, signalman, railway engineer, night conductor",
        "steam locomotive, sleeper train, viaduct, marshalling yard, high speed train, mountain railway",
        "the grand terminus, the Trans-Siberian line, a branch line station, the engine shed",
    ),
    _topic(
        "birdwatching",
        "birdwatcher, ornithologist, falconer, ringing warden",
        "barn owl, peregrine falcon, puffin colony, hummingbird, crane migration, nightingale song",
        "the salt marsh, a sea cliff, the reed bed, the cloud forest",
    ),
    _topic(
        "fashion",
        "fashion designer, tailor, model, costume maker",
        "evening gown, silk dress, catwalk show, leather jacket, hat collection, sewing pattern",
        "Milan fashion week, the atelier, a vintage boutique, the photo studio",
    ),
    _topic(
        "haunted houses",
        "ghost hunter, medium, haunted widow, night caretaker",
        "poltergeist, cursed mirror, seance, locked attic, creaking staircase, phantom",
        "an abandoned manor, the crypt, the foggy graveyard, the asylum",
    ),
    _topic(
        "courtroom law",
        "defence lawyer, judge, prosecutor, juror",
        "murder trial, surprise witness, closing argument, appeal, legal loophole, verdict",
        "the supreme court, a county courthouse, the judge's chambers, the witness stand",
    ),
    _topic(
        "surfing",
        "surfer, board shaper, lifeguard, big wave rider",
        "barrel wave, longboard, point break, wipeout, swell forecast, beach break",
        "the North Shore, Bondi Beach, a tropical reef pass, the surf camp",
    ),
    _topic(
        "volcanoes",
        "volcanologist, lava photographer, evacuee, geologist",
        "lava flow, ash cloud, crater lake, magma chamber, eruption, geyser",
        "Mount Etna, Iceland, the ring of fire, a caldera rim",
    ),
    _topic(
        "coffee",
        "barista, coffee farmer, roaster, cafe owner",
        "espresso shot, latte art, pour over, coffee bean, moka pot, cold brew",
        "an Ethiopian highland farm, the corner cafe, the roastery, the tasting room",
    ),
    _topic(
        "ballet",
        "ballerina, choreographer, dance teacher, principal dancer",
        "pirouette, pointe shoe, pas de deux, opening night, swan costume, rehearsal",
        "the Bolshoi, the opera house, a mirrored studio, the backstage wings",
    ),
    _topic(
        "desert travel",
        "caravan guide, nomad, rally driver, desert photographer",
        "sand dune, camel caravan, oasis, sandstorm, salt flat, mirage",
        "the Sahara, the Empty Quarter, the Gobi, a Bedouin camp",
    ),
)

STYLES: tuple[Style, ...] = (
    _style(
        "comedy",
        "hilarious, goofy, witty, silly, absurd, cheeky",
        "Full of laughs and slapstick.; A comedy of jokes and mishaps.; Played for laughs from start to end.",
    ),
    _style(
        "documentary",
        "factual, investigative, authentic, detailed, archival, candid",
        "A documentary with expert interviews.; Real footage, calmly narrated.; Shows the facts and how it works.",
    ),
    _style(
        "thriller",
        "tense, dangerous, deadly, relentless, desperate, explosive",
        "Suspense until the last second.; A thriller with a deadly twist.; Pulse-racing danger at every turn.",
    ),
    _style(
        "romance",
        "tender, passionate, heartfelt, dreamy, bittersweet, charming",
        "A love story about two strangers.; Romance blooms against all odds.; A kiss changes everything.",
    ),
    _style(
        "tutorial",
        "practical, beginner, step-by-step, easy, essential, advanced",
        "Learn it in ten simple steps.; A lesson for beginners with useful tips.; Explains technique and tools.",
    ),
    _style(
        "meditation",
        "quiet, slow, soothing, gentle, peaceful, hypnotic",
        "Calm pictures without a word.; Relaxing sounds to fall asleep to.; A slow, peaceful hour for the mind.",
    ),
)

TITLES: tuple[str, ...] = (
    "The {adjective} {hero}",
    "{adjective} {object}",
    "A {adjective} day in {place}",
    "{hero} and {object}",
    "{object}: the {adjective} story",
    "Inside {place}",
    "{name}'s {adjective} {object}",
    "{name} in {place}",
)

DESCRIPTIONS: tuple[str, ...] = (
    "A {adjective} {hero} discovers the {object} in {place}. {verdict}",
    "{verdict} {name}, a {hero}, risks it all for the {object}.",
    "In {place}, {name} meets a {adjective} {hero} and the {object}. {verdict}",
    "All about {topic}: the {object}, the {hero} and {place}. {verdict}",
    "What does a {hero} do with the {object}? {name} finds out in {place}. {verdict}",
)

NAMES: tuple[str, ...] = (
    *("Ada", "Bruno", "Chiara", "Dmitri", "Elena", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kira", "Liam", "Mona"),
    *("Noor", "Oskar", "Priya", "Quentin", "Rosa", "Sven", "Tara", "Umar", "Vera", "Wanda", "Xavier", "Yuki", "Zeno"),
)
