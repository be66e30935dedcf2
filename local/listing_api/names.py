"""Invented streets, suburbs, builders and brokers; some with commas, apostrophes and letters outside ASCII."""

STREETS = (
    "Amberfield", "Birchwater", "Calla Lily", "Dovetail", "Eastmoor", "Foxglove", "Granary", "Hollow Oak",
    "Ironwood", "Juniper Bend", "Kestrel", "Lantern Hill", "Marigold", "Nightingale", "Orchard Mill", "Pecan Row",
    "Quarry Ridge", "Rosewater", "Saddlebrook", "Thistledown", "Umberland", "Verbena", "Willow Pass", "Yarrow",
    "Silver Maple", "Copper Kettle", "Tumbleweed", "Sparrow Hollow", "Windmill", "Peppermint",
)  # fmt: skip
STREETS_BEYOND_ASCII = ("Peña Alta", "Cañón Viejo", "Doña Inés", "Chêne Vert", "Mañana", "Saint-Andréa")
STREET_KINDS = ("St", "Dr", "Ln", "Ave", "Ct", "Blvd", "Way", "Rd", "Trl", "Pl")
SUBURBS = (
    "Alder Creek", "Brightwater", "Cedar Crossing", "Dunmore Park", "Elm Hollow", "Fairmeadow", "Granby Springs",
    "Hawthorne Glen", "Larkspur", "Millbrae Heights", "O'Malley", "Rancho Piñon",
)  # fmt: skip
PLANS = ("Aspen", "Bluebell", "Cottonwood", "Dahlia", "Evergreen", "Hemlock", "Larch", "Sycamore")
BUILDERS = ("Example Homes", "Sample & Sons Builders", "Placeholder Communities")
BROKERS = (
    "Example Realty",
    "Sample Property Group",
    "Nonesuch Brokers",
    "Placeholder & Daughters",
    "Façade Realty",
)
LISTING_SERVICES = ("EXMLS", "SAMPLEMLS", "DEMOREX")
